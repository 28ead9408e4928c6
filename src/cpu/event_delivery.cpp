#include "cpu/event_delivery.hpp"

#include "cpu/gate_delivery.hpp"

namespace softmetal {

namespace {

namespace flags = x86::flags;
using x86::Vector;

/// SDM vol. 3, table 6-4.
enum class FaultClass : u8 { benign, contributory, page_fault, double_fault };

FaultClass classify(u8 vector) {
    switch (static_cast<Vector>(vector)) {
        case Vector::divide_error:
        case Vector::invalid_tss:
        case Vector::segment_not_present:
        case Vector::stack_fault:
        case Vector::general_protection: return FaultClass::contributory;
        case Vector::page_fault: return FaultClass::page_fault;
        case Vector::double_fault: return FaultClass::double_fault;
        default: return FaultClass::benign;
    }
}

/// Exceptions whose error code has the EXT bit: set where they arise while an earlier event, other than an
/// INT instruction, is delivered.
bool has_external_bit(Vector v) {
    return v == Vector::invalid_tss || v == Vector::segment_not_present || v == Vector::stack_fault ||
           v == Vector::general_protection;
}

void enter_handler(Vcpu& vcpu, const GateEvent& event) {
    if (vcpu.state.long_mode_active()) return enter_long_mode_handler(vcpu, event);
    if (vcpu.state.real_mode()) return enter_real_mode_handler(vcpu, event);
    enter_protected_mode_handler(vcpu, event);
}

/// The event as its handler will see it; CR2, DR6 and DR7 as they then stand.
GateEvent event_of(Vcpu& vcpu, const GuestException& e) {
    CpuState& state = vcpu.state;
    GateEvent event{.vector = static_cast<u8>(e.vector), .flags = state.rflags};
    if (x86::has_error_code(e.vector)) event.error_code = e.error_code;
    if (e.vector == Vector::page_fault) {
        state.cr2 = e.cr2;
        vcpu.counters.page_faults++;
    } else {
        vcpu.counters.exceptions++;
    }
    if (e.vector == Vector::debug) {
        constexpr u64 breakpoint_conditions = 0xf;
        state.dr6 = (state.dr6 & ~breakpoint_conditions) | e.dr6;
        state.dr7 &= ~bit(13);  // GD
    } else if (!e.trap) {
        event.flags |=
            flags::rf;  // a fault's handler returns to an instruction that shall get past its breakpoint
    }
    return event;
}

/// Delivers; what goes wrong on the way is delivered instead (SDM vol. 3, table 6-5).
void deliver(Vcpu& vcpu, GateEvent event) {
    vcpu.state.shadow = InterruptShadow::none;
    if (vcpu.state.activity == Activity::halted) vcpu.state.activity = Activity::running;
    for (;;) {
        try {
            return enter_handler(vcpu, event);
        } catch (GuestException& second) {
            const FaultClass before = classify(event.vector);
            const FaultClass now = classify(static_cast<u8>(second.vector));
            if (has_external_bit(second.vector)) second.error_code |= 1;
            if (before == FaultClass::double_fault) {
                vcpu.state.activity = Activity::shutdown;
                return;
            }
            const bool doubled = (before == FaultClass::contributory && now == FaultClass::contributory) ||
                                 (before == FaultClass::page_fault && now != FaultClass::benign);
            if (doubled) {
                if (now == FaultClass::page_fault) vcpu.state.cr2 = second.cr2;
                second = {.vector = Vector::double_fault};
            }
            event = event_of(vcpu, second);
        }
    }
}

/// An x87 exception where the system has left its reporting to the board (SDM vol. 1, 8.7.2): the instruction
/// that found it waits for an interrupt, of whatever kind, and begins anew behind its handler.
void wait_for_numeric_error(Vcpu& vcpu) {
    // IGNNE# has risen and was not looked at yet.
    if (vcpu.block.attention.load() & attention::ignore_x87) return;
    vcpu.state.activity = Activity::halted;
    if (vcpu.numeric_errors) vcpu.numeric_errors->numeric_error();
}

}  // namespace

void deliver_exception(Vcpu& vcpu, GuestException exception) {
    if (exception.vector == Vector::x87_floating_point && !(vcpu.state.cr0 & x86::cr0::ne))
        return wait_for_numeric_error(vcpu);
    deliver(vcpu, event_of(vcpu, exception));
}

void deliver_software_interrupt(Vcpu& vcpu, u8 vector, SoftwareInterrupt kind) {
    const GateEvent event{.vector = vector,
                          .checks_gate_privilege = kind != SoftwareInterrupt::int1,
                          .int_n = kind == SoftwareInterrupt::int_n,
                          .software = true,
                          .flags = vcpu.state.rflags};
    try {
        enter_handler(vcpu, event);
    } catch (GuestException& fault) {
        // INT1 stands for an event from outside (SDM vol. 3, ch. 6.13, which excepts the others only).
        if (kind == SoftwareInterrupt::int1 && has_external_bit(fault.vector)) fault.error_code |= 1;
        throw;
    }
    vcpu.state.shadow = InterruptShadow::none;
}

void deliver_interrupt(Vcpu& vcpu, u8 vector) {
    vcpu.counters.interrupts++;
    deliver(vcpu, {.vector = vector, .flags = vcpu.state.rflags});
}

void deliver_nmi(Vcpu& vcpu) {
    vcpu.state.nmi_blocked = true;
    // A halted processor with IF clear has stopped asking for interrupts; its handler may set IF.
    vcpu.request(attention::interrupt);
    deliver(vcpu, {.vector = static_cast<u8>(Vector::nmi), .flags = vcpu.state.rflags});
}

bool take_pending_event(Vcpu& vcpu) {
    CpuState& state = vcpu.state;
    std::atomic<u32>& wanted = vcpu.block.attention;
    const u32 seen = wanted.load(std::memory_order_acquire);

    if (seen & attention::address_mask) {
        wanted.fetch_and(~attention::address_mask);
        vcpu.mmu.set_address_mask(vcpu.address_mask());
        return true;
    }
    if (seen & attention::memory_map) {
        wanted.fetch_and(~attention::memory_map);
        vcpu.mmu.flush_all();
        return true;
    }
    if (seen & attention::ignore_x87) {
        wanted.fetch_and(~attention::ignore_x87);
        state.ignores_x87_error = state.extended.x87_exception_pending();
        return true;
    }
    if (seen & attention::init) {
        wanted.fetch_and(~attention::init);
        vcpu.reset_by_init();
        return true;
    }
    if (seen & attention::startup) {
        wanted.fetch_and(~attention::startup);
        if (state.activity == Activity::wait_for_startup) {
            vcpu.start_at(vcpu.startup_vector());
            wanted.fetch_or(attention::interrupt);
            return true;
        }
    }
    const bool asleep = state.activity == Activity::wait_for_startup || state.activity == Activity::shutdown;
    if (seen & attention::nmi) {
        const bool held_off = state.nmi_blocked || state.shadow != InterruptShadow::none;
        if (state.nmi_blocked) vcpu.limit_nmis(1);
        if (asleep) vcpu.limit_nmis(0);
        if ((asleep || !held_off) && vcpu.take_nmi()) {
            deliver_nmi(vcpu);
            return true;
        }
    }
    if (seen & attention::interrupt) {
        // Cleared before the question is asked: an interrupt that comes later sets it again.
        wanted.fetch_and(~attention::interrupt);
        vcpu.block.interrupt_waits_for = 0;
        if (asleep || !vcpu.apic || !vcpu.apic->deliverable()) return false;
        const bool enabled = state.rflags & flags::interrupt;
        if (!enabled) {
            vcpu.block.interrupt_waits_for = flags::interrupt;
            return false;
        }
        if (state.shadow != InterruptShadow::none) {
            wanted.fetch_or(attention::interrupt);  // ask again after the next instruction
            return false;
        }
        const auto vector = vcpu.apic->acknowledge();
        if (!vector) return false;
        if (vcpu.apic->deliverable()) wanted.fetch_or(attention::interrupt);
        deliver_interrupt(vcpu, *vector);
        return true;
    }
    return false;
}

}  // namespace softmetal
