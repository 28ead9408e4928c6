// The local APIC as a register machine (SDM vol. 3, ch. 10): xAPIC and x2APIC.
//
// What other threads need to post or route an interrupt is atomic and marked "any thread"; everything else is
// called by one thread at a time (the wiring locks). Pins carry assertion, not voltage, so the polarity bits
// of the LVT are kept without effect.
#pragma once

#include "devices/local_apic/apic_timer.hpp"
#include "devices/local_apic/local_apic_registers.hpp"
#include "devices/local_apic/vector_set.hpp"

#include <array>
#include <atomic>
#include <optional>

namespace softmetal::devices {

class LocalApicChip {
 public:
    /// What a register access or a pin asks of the world around the chip.
    struct Effects {
        std::optional<apic::InterruptRequest> command;  // to send
        std::optional<u8> level_ended;                  // EOI of a level-triggered vector, for the I/O APICs
        bool nonmaskable = false;                       // a pin raised NMI
        bool init = false;                              // a pin raised INIT
    };

    enum class LocalVector : u8 { timer, thermal, performance, lint0, lint1, error };
    static constexpr unsigned local_vectors = 6;

    struct State {
        u64 base = 0;
        u32 task_priority = 0, logical_destination = 0, destination_format = 0, spurious_vector = 0;
        u32 error_latched = 0, error_pending = 0;
        u64 command = 0;
        std::array<u32, local_vectors> local{};
        std::array<u32, 8> requests{}, in_service{}, trigger_mode{};
        std::array<bool, 2> pins{};
        ApicTimer::State timer;
    };

    LocalApicChip(u32 id, bool bootstrap, unsigned physical_address_bits);
    LocalApicChip(u32 id, bool bootstrap, unsigned physical_address_bits, const State& state);
    [[nodiscard]] State state() const;

    /// As the reset line leaves it. Pins keep their levels.
    void reset();
    /// INIT: like reset, but the base register, hence the mode, stays (SDM vol. 3, ch. 10.4.7.3, 10.12.5.1).
    void init();

    [[nodiscard]] u64 base() const { return base_.load(); }  // any thread
    /// False where the transition is not allowed (SDM vol. 3, ch. 10.12.5).
    [[nodiscard]] bool set_base(u64 value);
    [[nodiscard]] bool globally_enabled() const { return base() & apic::base::enabled; }
    [[nodiscard]] bool x2apic() const { return base() & apic::base::x2apic; }
    [[nodiscard]] bool software_enabled() const { return spurious_.load() & apic::spurious::enabled; }

    // Registers by xAPIC offset. The timer has been advanced to `now`. None or false: there is no such
    // register, or it does not go that way, or reserved bits are set, in the present mode.
    [[nodiscard]] std::optional<u64> read(u32 offset, bus::Nanoseconds now);
    [[nodiscard]] bool write(u32 offset, u64 value, bus::Nanoseconds now, Effects& effects);
    void illegal_register_access() { raise_error(apic::error::illegal_register); }

    /// Puts a vector into IRR where the APIC is enabled. Any thread.
    void accept(u8 vector, bool level_triggered);
    /// Is one of the addressees of a message or IPI (shorthands apart). Any thread.
    [[nodiscard]] bool matches(const apic::InterruptRequest& request) const;
    /// Does IRR hold something that the priority allows? Any thread.
    [[nodiscard]] bool deliverable() const;
    /// Moves it to ISR.
    [[nodiscard]] std::optional<u8> take();
    [[nodiscard]] u8 processor_priority() const { return processor_priority_.load(); }  // any thread

    [[nodiscard]] u8 task_priority() const { return static_cast<u8>(task_priority_); }
    void set_task_priority(u8 value);

    void set_pin(unsigned lint, bool asserted, Effects& effects);
    /// Does LINT0 connect the 8259's INTR to the processor now?
    [[nodiscard]] bool passes_external_interrupts() const;

    void set_local_vector(LocalVector entry, u32 value);
    [[nodiscard]] ApicTimer& timer() { return timer_; }
    [[nodiscard]] const ApicTimer& timer() const { return timer_; }
    /// When the timer will interrupt next; none where it is stopped or masked.
    [[nodiscard]] std::optional<bus::Nanoseconds> timer_interrupt() const;
    /// Lets time pass; posts the timer's vector where it expired.
    void advance(bus::Nanoseconds now);

 private:
    [[nodiscard]] u32 local(LocalVector entry) const { return local_[static_cast<unsigned>(entry)].load(); }
    [[nodiscard]] std::optional<u64> writable_bits(u32 offset) const;
    [[nodiscard]] u32 logical_id() const;
    void raise_error(u32 bits);  // any thread
    void update_priority();
    void end_of_interrupt(Effects& effects);
    void set_spurious(u32 value);
    void send(u64 command, Effects& effects);
    void sample_level_pin(unsigned lint);

    const u32 id_;
    const bool bootstrap_;
    const unsigned physical_address_bits_;

    std::atomic<u64> base_;
    std::atomic<u32> spurious_, logical_destination_, destination_format_;
    std::array<std::atomic<u32>, local_vectors> local_;
    VectorSet requests_, in_service_, trigger_mode_;
    std::atomic<u32> error_pending_;
    std::atomic<u8> processor_priority_;
    u32 error_latched_ = 0;
    u32 task_priority_ = 0;
    u64 command_ = 0;
    std::array<bool, 2> pins_{};
    ApicTimer timer_;
};

}  // namespace softmetal::devices
