// One virtual CPU: its architectural state and everything an engine needs to run it.
//
// Owned by the machine, run by one thread. Other threads touch only `attention` and the CpuInterruptPort
// calls.
#pragma once

#include "base/counters.hpp"
#include "base/short_wait.hpp"
#include "bus/address_space.hpp"
#include "bus/clock.hpp"
#include "bus/interrupts.hpp"
#include "bus/numeric_error.hpp"
#include "cpu/cpu_model.hpp"
#include "cpu/debugger_port.hpp"
#include "cpu/linear_memory.hpp"
#include "cpu/mmu.hpp"
#include "cpu/state.hpp"
#include "cpu/tlb.hpp"
#include "cpu/translated_code.hpp"

#include <atomic>
#include <memory>

namespace softmetal {

/// Why the run loop wants an engine back at the next instruction boundary.
namespace attention {
inline constexpr u32 interrupt = 1u << 0;  // the local APIC may have something deliverable
inline constexpr u32 nmi = 1u << 1;
inline constexpr u32 init = 1u << 2;
inline constexpr u32 startup = 1u << 3;       // vector in Vcpu::startup_vector
inline constexpr u32 stop = 1u << 4;          // somebody stops all vCPUs, or the machine ends
inline constexpr u32 debugger = 1u << 5;      // a debugger single-steps, or has a reason to stop
inline constexpr u32 address_mask = 1u << 6;  // the A20 gate moved: Vcpu::address_mask
inline constexpr u32 code = 1u << 7;          // others write to translated code, or are about to translate
inline constexpr u32 memory_map = 1u << 8;    // other memory answers at some addresses than before
inline constexpr u32 ignore_x87 = 1u << 9;    // IGNNE# has risen
}  // namespace attention

/// What translated code reaches through its segment base, and the interpreter directly. Standard layout.
struct VcpuBlock {
    CpuState state;
    std::atomic<u32> attention{0};
    /// RFLAGS.IF while an interrupt waits for that flag alone, else 0. Attention is not raised meanwhile:
    /// whoever sets IF raises it. The vCPU's thread only.
    u64 interrupt_waits_for = 0;
    Tlb tlb;
    TranslatedCodeArea translated;
};

/// Ticks of a counter of `hz` after that much virtual time; exact, and never overflows in between.
[[nodiscard]] constexpr u64 ticks_at(bus::Nanoseconds now, u64 hz) {
    return now / bus::nanoseconds_per_second * hz +
           now % bus::nanoseconds_per_second * hz / bus::nanoseconds_per_second;
}

class Vcpu final : public bus::CpuInterruptPort, public bus::NumericErrorPort {
 public:
    struct Surroundings {
        GuestMemory& memory;
        bus::AddressSpace& ports;
        bus::AddressSpace& mmio;
        const bus::Clock& clock;
        bus::Nanoseconds wall_clock = 0;  // since 1970, UTC, at virtual time 0
    };
    /// In the state after INIT/reset (SDM vol. 3, table 9-1); application processors wait for their SIPI.
    Vcpu(unsigned index, const CpuModel& model, Surroundings surroundings);
    ~Vcpu() override;
    Vcpu(const Vcpu&) = delete;
    Vcpu& operator=(const Vcpu&) = delete;

    const unsigned index;
    const CpuModel& model;
    GuestMemory& memory;
    bus::AddressSpace& ports;
    bus::AddressSpace& mmio;
    const bus::Clock& clock;
    const bus::Nanoseconds wall_clock;                    // since 1970, UTC, at virtual time 0
    bus::LocalApic* apic = nullptr;                       // set once while the machine is wired
    bus::NumericErrorReceiver* numeric_errors = nullptr;  // the same; null: FERR# is not connected

    Counters counters;
    VcpuBlock& block;  // owned; page-aligned storage
    CpuState& state;   // block.state
    Mmu mmu;
    LinearMemory linear;
    DebuggerPort debugger;

    /// Power-up.
    void reset();
    /// What an INIT does: keeps model-specific registers, FPU and SSE state, and the caches' mode.
    void reset_by_init();
    /// A SIPI, taken: real mode at vector:0000.
    void start_at(u8 vector);

    /// The time-stamp counter: virtual time at the model's frequency, plus IA32_TSC_ADJUST.
    [[nodiscard]] u64 time_stamp_counter() const;

    // bus::CpuInterruptPort: any thread
    void interrupt_pending() override { request(attention::interrupt); }
    void nonmaskable_interrupt() override;
    void init() override { request(attention::init); }
    void startup(u8 vector) override;

    // bus::NumericErrorPort: any thread
    void ignore_numeric_error() override { request(attention::ignore_x87); }

    /// The A20 gate: takes effect at the next instruction boundary. Any thread.
    void set_address_mask(u64 mask);
    /// Memory answers at other guest-physical addresses than before: the TLB forgets everything at the next
    /// instruction boundary. Any thread.
    void memory_map_changed() { request(attention::memory_map); }
    [[nodiscard]] u64 address_mask() const { return address_mask_.load(); }

    /// Takes one NMI of those that wait; attention::nmi stays raised for a second one. False where there is
    /// none.
    [[nodiscard]] bool take_nmi();
    /// Of several NMIs only so many are remembered: one while another is served (SDM vol. 3, ch. 6.7.1).
    void limit_nmis(u32 most);

    /// Sets attention bits and wakes the vCPU where it sleeps. Any thread.
    void request(u32 attention_bits);
    /// Raises attention::interrupt where an interrupt has waited for IF and the flag is set now. After any
    /// instruction that may have set it. The vCPU's thread.
    void notice_interrupt_window() {
        if (block.interrupt_waits_for & state.rflags) [[unlikely]]
            open_interrupt_window();
    }
    /// Sleeps until attention is non-zero or `stop` has been requested. The vCPU's thread.
    void wait_for_attention();
    /// PAUSE: the guest waits for another vCPU, which may be waiting for a core of the host's. The vCPU's
    /// thread.
    void spin_wait();
    /// What a debugger asked to be told has happened: the run loop stops the machine at the next instruction
    /// boundary. The vCPU's thread.
    void stop_for_debugger(const DebuggerStop& stop);
    /// Of every access to RAM that does not go through the TLB, once it is sure to be made.
    void note_access(GuestLinear a, u64 size, Access access) {
        if (debugger.watches()) [[unlikely]]
            if (const Watchpoint* hit = debugger.watchpoint_hit(a, size, access))
                stop_for_debugger({DebuggerStop::Reason::watchpoint, *hit});
    }
    [[nodiscard]] u8 startup_vector() const { return startup_vector_.load(); }

 private:
    void set_initial_state();
    void open_interrupt_window();

    ShortWait short_halts_;
    u32 spins_ = 0;  // PAUSEs so far
    std::atomic<u8> startup_vector_{0};
    /// That wait. Two may: a processor that is slow to look would lose what hardware had taken at once and
    /// latched behind it.
    std::atomic<u32> waiting_nmis_{0};
    std::atomic<u64> address_mask_{~u64{0}};
};

}  // namespace softmetal
