// The steps behind event_delivery.hpp: entering one handler in one mode. All raise GuestException before they
// change anything, or, behind a task gate, in the new task.
#pragma once

#include "cpu/vcpu.hpp"

#include <optional>

namespace softmetal {

/// What a handler is entered for.
struct GateEvent {
    u8 vector = 0;
    bool checks_gate_privilege = false;  // INT n, INT3, INTO: the gate's DPL must allow it
    bool int_n = false;                  // in V86 mode, IOPL must allow it
    bool software = false;               // an instruction asked for it
    std::optional<u32> error_code{};
    u64 flags = 0;  // as the frame shows them
};

void enter_real_mode_handler(Vcpu& vcpu, const GateEvent& event);
void enter_protected_mode_handler(Vcpu& vcpu, const GateEvent& event);
void enter_long_mode_handler(Vcpu& vcpu, const GateEvent& event);

/// The error code that names an IDT entry (SDM vol. 3, ch. 6.13).
[[nodiscard]] constexpr u32 idt_error(u8 vector) { return u32{vector} * 8 + 2; }

/// Flags a handler starts without; IF as well where it is entered through an interrupt gate.
inline constexpr u64 flags_cleared_by_gates =
    x86::flags::tf | x86::flags::nt | x86::flags::rf | x86::flags::vm;

}  // namespace softmetal
