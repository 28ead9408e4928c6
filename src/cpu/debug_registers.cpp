// DR0 to DR7 (SDM vol. 3, ch. 17.2).
#include "cpu/system_registers.hpp"

namespace softmetal {

namespace {

constexpr u64 dr6_fixed = 0xffff0ff0, dr6_writable = 0xe00f;
constexpr u64 dr6_access_detected = bit(13);  // BD
constexpr u64 dr7_fixed = 0x400, dr7_writable = 0xffff2bff;
constexpr u64 dr7_general_detect = bit(13);  // GD

/// DR4 and DR5 are DR6 and DR7, unless debugging extensions make them invalid.
unsigned resolve(Vcpu& vcpu, unsigned number) {
    if (number > 7) raise_ud();
    if (number == 4 || number == 5) {
        if (vcpu.state.cr4 & x86::cr4::de) raise_ud();
        number += 2;
    }
    if (vcpu.state.dr7 & dr7_general_detect)
        throw GuestException{.vector = x86::Vector::debug, .dr6 = dr6_access_detected};
    return number;
}

}  // namespace

u64 read_debug_register(Vcpu& vcpu, unsigned number) {
    switch (number = resolve(vcpu, number)) {
        case 6: return vcpu.state.dr6;
        case 7: return vcpu.state.dr7;
        default: return vcpu.state.dr[number];
    }
}

void write_debug_register(Vcpu& vcpu, unsigned number, u64 value) {
    switch (number = resolve(vcpu, number)) {
        case 6:
            if (value >> 32) raise_gp();
            vcpu.state.dr6 = dr6_fixed | (value & dr6_writable);
            return;
        case 7:
            if (value >> 32) raise_gp();
            vcpu.state.dr7 = dr7_fixed | (value & dr7_writable);
            return;
        default: vcpu.state.dr[number] = value; return;
    }
}

}  // namespace softmetal
