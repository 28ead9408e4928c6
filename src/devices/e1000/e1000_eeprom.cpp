#include "devices/e1000/e1000_eeprom.hpp"

namespace softmetal::devices {

namespace {

constexpr unsigned command_bits = 9;  // start, operation, address
constexpr unsigned operation_read = 0b110;

}  // namespace

/// Words as ch. 5.6 numbers them.
E1000Eeprom::E1000Eeprom(const MacAddress& mac) {
    for (unsigned i = 0; i < 3; i++) words_[i] = static_cast<u16>(mac[2 * i] | mac[2 * i + 1] << 8);
    words_[0x0a] = 0x4408;  // initialization control: the identifiers below are to be loaded
    words_[0x0b] = e1000::subsystem;
    words_[0x0c] = e1000::vendor_intel;
    words_[0x0d] = e1000::device_82540em;
    words_[0x0e] = e1000::vendor_intel;
    words_[0x0f] = 0x3040;  // initialization control 2: full duplex, negotiated
    u16 sum = 0;
    for (const u16 word : words_) sum = static_cast<u16>(sum + word);
    words_[e1000::eeprom_words - 1] = static_cast<u16>(e1000::eeprom_sum - sum);
}

bool E1000Eeprom::drive(u32 wires) {
    const bool selected = wires & e1000::eeprom_control::select, clock = wires & e1000::eeprom_control::clock;
    if (!selected)
        wires_ = {};
    else if (clock && !wires_.clock && wires_.selected)
        clock_in(wires & e1000::eeprom_control::data_in);
    wires_.selected = selected;
    wires_.clock = clock;
    return wires_.output;
}

void E1000Eeprom::clock_in(bool bit) {
    if (wires_.count < command_bits) {
        if (wires_.count == 0 && !bit) return;  // before the start bit
        wires_.command = static_cast<u16>(wires_.command << 1 | bit);
        if (++wires_.count < command_bits) return;
        // A zero comes before the data. Writes are accepted and forgotten.
        wires_.output = wires_.command >> 6 != operation_read;
        wires_.data = word(wires_.command & 0x3f);
        return;
    }
    if (wires_.command >> 6 != operation_read) return;
    wires_.output = wires_.data >> 15;
    wires_.data = static_cast<u16>(wires_.data << 1);
}

}  // namespace softmetal::devices
