// A processor's local APIC, wired: lock, timer, processor, and the fabric that joins it to the others.
//
// The lock is never held while the fabric, the 8259 or the I/O APICs are called. Posting an interrupt and
// asking whether one is deliverable take no lock.
#pragma once

#include "base/result.hpp"
#include "bus/clock.hpp"
#include "bus/device.hpp"
#include "bus/interrupts.hpp"
#include "devices/local_apic/interrupt_fabric.hpp"
#include "devices/local_apic/local_apic_chip.hpp"

#include <functional>
#include <memory>
#include <mutex>

namespace softmetal::devices {

class LocalApic final : public bus::Device, public bus::LocalApic {
 public:
    struct Resources {
        u32 id;          // x2APIC id; the xAPIC id is its low byte
        bool bootstrap;  // this processor starts the machine
        unsigned physical_address_bits;
        bus::CpuInterruptPort& cpu;
        const bus::Clock& clock;
        bus::TimerFactory& timers;
        InterruptFabric& fabric;  // the caller connects the APIC to it
        /// Virtual time at which this processor's TSC reaches a value, rounded up; any past time where it
        /// has.
        std::function<bus::Nanoseconds(u64)> time_of_tsc;
        /// The 8259 pair's answer to an interrupt acknowledge cycle; none where it has no request.
        std::function<std::optional<u8>()> acknowledge_external;
    };

    explicit LocalApic(const Resources& resources);
    [[nodiscard]] static Result<std::unique_ptr<LocalApic>> restore(Resources resources,
                                                                    const bus::SavedState& state);

    // bus::Device
    [[nodiscard]] std::string_view name() const override { return "local_apic"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

    // bus::LocalApic
    [[nodiscard]] bool deliverable() const override;
    [[nodiscard]] std::optional<u8> acknowledge() override;
    [[nodiscard]] u8 task_priority() const override;
    void set_task_priority(u8 value) override;
    [[nodiscard]] u64 base() const override { return chip_.base(); }
    [[nodiscard]] bool set_base(u64 value) override;
    [[nodiscard]] u32 read_register(u32 offset) override;
    void write_register(u32 offset, u32 value) override;
    [[nodiscard]] std::optional<u64> read_msr(u32 index) override;
    [[nodiscard]] bool write_msr(u32 index, u64 value) override;

    // The fabric's side; any thread, no lock held for long.
    [[nodiscard]] bool matches(const apic::InterruptRequest& request) const { return chip_.matches(request); }
    [[nodiscard]] bool software_enabled() const { return chip_.software_enabled(); }
    [[nodiscard]] u8 processor_priority() const { return chip_.processor_priority(); }
    void deliver(const apic::InterruptRequest& request);

    /// The 8259's INTR output goes here.
    [[nodiscard]] bus::InterruptLine& lint0() { return lint0_; }
    /// The platform's NMI goes here.
    [[nodiscard]] bus::InterruptLine& lint1() { return lint1_; }

    /// What firmware leaves behind for an operating system that does not know the APIC yet: LINT0 passes the
    /// 8259's interrupts, LINT1 NMIs (MultiProcessor specification 1.4, ch. 3.6.2.1). For booting a kernel
    /// without firmware.
    void set_virtual_wire();
    /// The guest wrote its TSC: a TSC deadline now falls at another time.
    void time_stamp_counter_changed();

 private:
    LocalApic(Resources resources, const LocalApicChip::State& state, bool external_latched);

    class Pin final : public bus::InterruptLine {
     public:
        Pin(LocalApic& apic, unsigned index) : apic_(apic), index_(index) {}
        void set_level(bool high) override { apic_.set_pin(index_, high); }

     private:
        LocalApic& apic_;
        unsigned index_;
    };

    using Lock = std::unique_lock<std::mutex>;
    void set_pin(unsigned lint, bool high);
    void timer_fired();
    void initialize();
    void write_deadline(u64 tsc);
    [[nodiscard]] bool external_deliverable() const;
    void arm_timer();
    /// After any change under the lock: publishes, arms the timer, tells the processor, releases the lock and
    /// then does what reaches other devices.
    void settle(Lock lock, const LocalApicChip::Effects& effects);

    Resources resources_;
    mutable std::mutex mutex_;
    LocalApicChip chip_;
    std::atomic<bool> external_gate_{false};     // LINT0 passes ExtINT
    std::atomic<bool> external_level_{false};    // LINT0's level
    std::atomic<bool> external_latched_{false};  // an I/O APIC or an IPI sent ExtINT
    std::optional<bus::Nanoseconds> armed_;      // what timer_ was last set to
    Pin lint0_{*this, 0}, lint1_{*this, 1};
    std::unique_ptr<bus::Timer> timer_;  // last: its callback uses the rest
};

}  // namespace softmetal::devices
