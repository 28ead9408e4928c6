// The PHY inside the 82540EM (a Marvell 88E1000's registers, IEEE 802.3 ch. 22.2.4 and 40.5), whose cable is
// always in and whose partner always agrees on 1000 Mb/s, full duplex.
#pragma once

#include "base/integers.hpp"

#include <array>

namespace softmetal::devices {

class E1000Phy {
 public:
    static constexpr unsigned count = 32;
    using Registers = std::array<u16, count>;

    E1000Phy() { reset(); }
    void reset();
    [[nodiscard]] u16 read(unsigned index) const { return registers_[index % count]; }
    void write(unsigned index, u16 value);

    [[nodiscard]] const Registers& registers() const { return registers_; }
    void set_registers(const Registers& registers) { registers_ = registers; }

 private:
    Registers registers_{};
};

}  // namespace softmetal::devices
