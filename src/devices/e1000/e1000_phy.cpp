#include "devices/e1000/e1000_phy.hpp"

namespace softmetal::devices {

namespace {

enum Index : unsigned {
    basic_control = 0,
    basic_status = 1,
    identifier_1 = 2,
    identifier_2 = 3,
    advertisement = 4,
    partner_ability = 5,
    expansion = 6,
    gigabit_control = 9,
    gigabit_status = 10,
    extended_status = 15,
    specific_control = 16,
    specific_status = 17,
};

constexpr u16 control_reset = 1u << 15, control_restart = 1u << 9;  // both clear themselves

}  // namespace

void E1000Phy::reset() {
    registers_ = {};
    registers_[basic_control] = 0x1140;  // negotiation, full duplex, 1000 Mb/s
    registers_[basic_status] = 0x796d;   // everything up to 100 Mb/s, negotiation complete, link
    registers_[identifier_1] = 0x0141;   // Marvell
    registers_[identifier_2] = 0x0c20;   // 88E1000
    registers_[advertisement] = 0x0de1;
    registers_[partner_ability] = 0x45e1;   // acknowledged
    registers_[expansion] = 0x0003;         // the partner negotiates, a page was received
    registers_[gigabit_control] = 0x0e00;   // 1000 Mb/s, full duplex
    registers_[gigabit_status] = 0x3c00;    // both receivers work, so can the partner
    registers_[extended_status] = 0x3000;   // 1000BASE-T
    registers_[specific_control] = 0x0068;  // crossover is found out
    registers_[specific_status] = 0xac00;   // 1000 Mb/s, full duplex, resolved, link
}

void E1000Phy::write(unsigned index, u16 value) {
    switch (index % count) {
        case basic_control:
            if (value & control_reset) return reset();
            registers_[basic_control] = static_cast<u16>(value & ~control_restart);
            return;
        case basic_status:
        case identifier_1:
        case identifier_2:
        case partner_ability:
        case expansion:
        case gigabit_status:
        case extended_status:
        case specific_status: return;
        default: registers_[index % count] = value;
    }
}

}  // namespace softmetal::devices
