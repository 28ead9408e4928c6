// The 64-word EEPROM behind the 82540EM, read by its four wires (a 93C46's protocol: a start bit, two bits of
// operation, six of address, then sixteen of data, most significant first) or by the EERD register.
#pragma once

#include "bus/backends/network_link.hpp"
#include "devices/e1000/e1000_registers.hpp"

#include <array>

namespace softmetal::devices {

using bus::MacAddress;

class E1000Eeprom {
 public:
    explicit E1000Eeprom(const MacAddress& mac);

    [[nodiscard]] u16 word(unsigned index) const { return words_[index % e1000::eeprom_words]; }
    /// EECD as software has written it; the result is the level of the data output.
    bool drive(u32 wires);
    void reset() { wires_ = {}; }

    /// What the wires have brought about so far.
    struct Wires {
        bool clock = false, selected = false, output = true;
        u8 count = 0;     // bits taken since the start bit, that included
        u16 command = 0;  // those bits
        u16 data = 0;     // still to be shifted out
        bool operator==(const Wires&) const = default;
    };
    [[nodiscard]] const Wires& wires() const { return wires_; }
    void set_wires(const Wires& wires) { wires_ = wires; }

 private:
    void clock_in(bool bit);

    std::array<u16, e1000::eeprom_words> words_{};
    Wires wires_;
};

}  // namespace softmetal::devices
