// Interrupt wiring: device pins, message-signalled interrupts, and what a vCPU and its local APIC see of each
// other.
#pragma once

#include "base/integers.hpp"

#include <optional>

namespace softmetal::bus {

/// A level on a wire. Level changes are what count: setting the present level again does nothing. Any thread.
class InterruptLine {
 public:
    virtual ~InterruptLine() = default;
    virtual void set_level(bool high) = 0;
};

/// A memory write that raises an interrupt (SDM vol. 3, ch. 10.11), as MSI, MSI-X and the I/O APIC send it.
struct InterruptMessage {
    u32 address = 0;  // 0xfeexxxxx: destination, redirection hint, destination mode
    u32 data = 0;     // vector, delivery mode, level, trigger mode
};

class InterruptMessageSink {
 public:
    virtual ~InterruptMessageSink() = default;
    virtual void send(InterruptMessage message) = 0;
};

/// What interrupt controllers may ask of a vCPU. All calls are safe from any thread and take no lock.
class CpuInterruptPort {
 public:
    virtual ~CpuInterruptPort() = default;
    /// The vCPU should look for a deliverable interrupt at the next instruction boundary (and wake from HLT).
    /// Spurious calls are harmless: the vCPU asks LocalApic::acknowledge(), which may say there is none.
    virtual void interrupt_pending() = 0;
    virtual void nonmaskable_interrupt() = 0;
    virtual void init() = 0;
    virtual void startup(u8 vector) = 0;
};

/// What a vCPU asks of its own local APIC, on its own thread.
class LocalApic {
 public:
    virtual ~LocalApic() = default;
    /// Is there an interrupt that priority allows now?
    [[nodiscard]] virtual bool deliverable() const = 0;
    /// Takes it (IRR to ISR; or the 8259's vector by ExtINT). None where none is deliverable any more.
    [[nodiscard]] virtual std::optional<u8> acknowledge() = 0;
    [[nodiscard]] virtual u8 task_priority() const = 0;  // TPR, the whole byte; CR8 is its upper nibble
    virtual void set_task_priority(u8 value) = 0;

    /// IA32_APIC_BASE: 11 global enable, 10 x2APIC, 8 BSP. A write that is not allowed answers false (#GP).
    [[nodiscard]] virtual u64 base() const = 0;
    [[nodiscard]] virtual bool set_base(u64 value) = 0;
    /// The xAPIC page at base(): offset 0..0xfff.
    [[nodiscard]] virtual u32 read_register(u32 offset) = 0;
    virtual void write_register(u32 offset, u32 value) = 0;
    /// x2APIC MSRs 0x800..0x8ff and IA32_TSC_DEADLINE; none / false is a #GP.
    [[nodiscard]] virtual std::optional<u64> read_msr(u32 index) = 0;
    [[nodiscard]] virtual bool write_msr(u32 index, u64 value) = 0;
};

}  // namespace softmetal::bus
