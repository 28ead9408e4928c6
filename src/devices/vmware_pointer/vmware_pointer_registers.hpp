// VMware's backdoor and its absolute pointer, which open-vm-tools (lib/include/backdoor_def.h) and Linux'
// vmmouse driver document: IN from the port with a magic number in EAX and a command in ECX answers in EAX to
// EDX.
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::vmware {

inline constexpr u64 backdoor_port = 0x5658;
inline constexpr u32 magic = 0x564d5868;  // "VMXh"
inline constexpr u32 failed = 0xffff'ffff;

namespace command {  // the lower half of ECX
inline constexpr u16 get_version = 10;
inline constexpr u16 pointer_data = 39;      // EBX words of the queue, up to 4, to EAX, EBX, ECX, EDX
inline constexpr u16 pointer_status = 40;    // the queue's length in the lower half of EAX
inline constexpr u16 pointer_command = 41;   // EBX is one of the following
inline constexpr u16 pointer_restrict = 86;  // who may ask: the port's protection decides that here
}  // namespace command

namespace pointer {
inline constexpr u32 enable = 0x45414552;  // "READ"
inline constexpr u32 disable = 0x000000f5;
inline constexpr u32 request_relative = 0x4c455252;  // "RREL"
inline constexpr u32 request_absolute = 0x53424152;  // "RABS"
inline constexpr u32 version_id = 0x3442554a;        // the answer to enable
inline constexpr u32 error = 0xffff'0000;            // of the status

// A movement is four words: buttons, x and y on 65536 by 65536 places, wheel.
inline constexpr u32 left = 1u << 5, right = 1u << 4, middle = 1u << 3;
inline constexpr u32 farthest = 0xffff;
inline constexpr unsigned packet_words = 4;
}  // namespace pointer

inline constexpr u32 version = 6;  // of the backdoor
inline constexpr u32 product_workstation = 4;

}  // namespace softmetal::devices::vmware
