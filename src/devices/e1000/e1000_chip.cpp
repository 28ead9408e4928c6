#include "devices/e1000/e1000_chip.hpp"

#include "base/bits.hpp"

#include <algorithm>

namespace softmetal::devices {

namespace reg = e1000::reg;

E1000Chip::E1000Chip(const MacAddress& mac) : eeprom_(mac) { reset(); }

/// Ch. 14.7: all but the EEPROM, the PHY and, as on the real card, the multicast and VLAN tables.
void E1000Chip::reset() {
    control_ = e1000::control::full_duplex;
    eeprom_control_ = eeprom_read_ = mdi_ = 0;
    cause_ = mask_ = receive_control_ = transmit_control_ = 0;
    receive = transmit = {};
    stored_ = {};
    *plain_register(reg::packet_buffer) = 0x0010'0030;  // 48 KiB for receiving, 16 for transmission
    eeprom_.reset();
    load_address();
}

void E1000Chip::load_address() {
    addresses_ = {};
    addresses_[0] = eeprom_.word(0) | u32{eeprom_.word(1)} << 16;
    addresses_[1] = eeprom_.word(2) | e1000::address_valid;
}

u32* E1000Chip::plain_register(u32 offset) {
    if (offset >= reg::multicast && offset < reg::multicast_end)
        return &multicast_[(offset - reg::multicast) / 4];
    if (offset >= reg::vlan_filter && offset < reg::vlan_filter_end)
        return &vlan_filter_[(offset - reg::vlan_filter) / 4];
    if (offset >= reg::address && offset < reg::address_end) return &addresses_[(offset - reg::address) / 4];
    const auto at = std::ranges::find(stored_offsets, offset);
    return at == stored_offsets.end() ? nullptr
                                      : &stored_[static_cast<std::size_t>(at - stored_offsets.begin())];
}

u32 E1000Chip::read_ring(const E1000Ring& ring, u32 offset) {
    switch (offset) {
        case 0x00: return static_cast<u32>(ring.base);
        case 0x04: return static_cast<u32>(ring.base >> 32);
        case 0x08: return ring.length;
        case 0x10: return ring.head;
        case 0x18: return ring.tail;
        default: return 0;
    }
}

void E1000Chip::write_ring(E1000Ring& ring, u32 offset, u32 value) {
    switch (offset) {
        case 0x00: ring.base = (ring.base & ~u64{0xffff'ffff}) | (value & ~15u); break;
        case 0x04: ring.base = (ring.base & 0xffff'ffff) | u64{value} << 32; break;
        case 0x08: ring.length = value & e1000::ring_length_mask; break;
        case 0x10: ring.head = value & 0xffff; break;
        case 0x18: ring.tail = value & 0xffff; break;
        default: break;
    }
}

u32 E1000Chip::read(u32 offset) {
    if (const u32* plain = plain_register(offset)) return *plain;
    switch (offset) {
        case reg::control: return control_;
        case reg::status:
            return e1000::status::full_duplex | e1000::status::link_up | e1000::status::speed_1000;
        case reg::eeprom_control:
            return eeprom_control_ | e1000::eeprom_control::present |
                   (eeprom_control_ & e1000::eeprom_control::request ? e1000::eeprom_control::grant : 0) |
                   (eeprom_.wires().output ? e1000::eeprom_control::data_out : 0);
        case reg::eeprom_read: return eeprom_read_;
        case reg::mdi_control: return mdi_;
        case reg::cause: return std::exchange(cause_, 0);
        case reg::mask_set: return mask_;
        case reg::receive_control: return receive_control_;
        case reg::transmit_control: return transmit_control_;
        case reg::management: return 0;
        default: break;
    }
    if (offset >= reg::receive_base_low && offset <= reg::receive_tail)
        return read_ring(receive, offset - reg::receive_base_low);
    if (offset >= reg::transmit_base_low && offset <= reg::transmit_tail)
        return read_ring(transmit, offset - reg::transmit_base_low);
    return 0;
}

E1000Chip::Event E1000Chip::write(u32 offset, u32 value) {
    if (u32* plain = plain_register(offset)) {
        *plain = value;
        return Event::none;
    }
    switch (offset) {
        case reg::control:
            if (value & e1000::control::phy_reset) phy_.reset();
            if (value & e1000::control::reset)
                reset();
            else
                control_ = value & ~e1000::control::phy_reset;
            return Event::none;
        case reg::eeprom_control:
            eeprom_control_ = value & e1000::eeprom_control::writable;
            static_cast<void>(eeprom_.drive(value));
            return Event::none;
        case reg::eeprom_read: write_eeprom_read(value); return Event::none;
        case reg::mdi_control: write_mdi(value); return Event::none;
        case reg::cause: cause_ &= ~value; return Event::none;
        case reg::cause_set: raise(value & e1000::cause::all); return Event::none;
        case reg::mask_set: mask_ |= value & e1000::cause::all; return Event::none;
        case reg::mask_clear: mask_ &= ~value; return Event::none;
        case reg::receive_control: receive_control_ = value; return Event::receive_ring;
        case reg::transmit_control: transmit_control_ = value; return Event::transmit;
        default: break;
    }
    if (offset >= reg::receive_base_low && offset <= reg::receive_tail) {
        write_ring(receive, offset - reg::receive_base_low, value);
        return offset == reg::receive_tail ? Event::receive_ring : Event::none;
    }
    if (offset >= reg::transmit_base_low && offset <= reg::transmit_tail) {
        write_ring(transmit, offset - reg::transmit_base_low, value);
        return offset == reg::transmit_tail ? Event::transmit : Event::none;
    }
    return Event::none;
}

void E1000Chip::write_eeprom_read(u32 value) {
    eeprom_read_ = value & 0xff00;
    if (value & e1000::eeprom_read::start)
        eeprom_read_ |= e1000::eeprom_read::done | u32{eeprom_.word(value >> 8 & 0xff)} << 16;
}

void E1000Chip::write_mdi(u32 value) {
    const unsigned index = value >> 16 & 31, address = value >> 21 & 31;
    mdi_ = value & ~(e1000::mdi::ready | e1000::mdi::error);
    if (address != e1000::mdi::phy_address)
        mdi_ |= e1000::mdi::error;
    else if ((value & e1000::mdi::operation) == e1000::mdi::write)
        phy_.write(index, static_cast<u16>(value));
    else if ((value & e1000::mdi::operation) == e1000::mdi::read)
        mdi_ = (mdi_ & ~0xffffu) | phy_.read(index);
    mdi_ |= e1000::mdi::ready;
    if (value & e1000::mdi::interrupt) raise(e1000::cause::mdi_done);
}

// --- receiving

u32 E1000Chip::buffer_size() const {
    const unsigned code = receive_control_ >> e1000::receive_control::buffer_size_shift & 3;
    const u32 size = 2048u >> code;
    // Code 0 is reserved with the extension.
    return receive_control_ & e1000::receive_control::size_extension && code ? size * 16 : size;
}

bool E1000Chip::accepts(std::span<const std::byte> frame) const {
    namespace rc = e1000::receive_control;
    if (std::ranges::all_of(frame.first(6), [](std::byte b) { return b == std::byte{0xff}; }) &&
        receive_control_ & rc::broadcast)
        return true;
    const bool group = std::to_integer<unsigned>(frame[0]) & 1;
    if (receive_control_ & (group ? rc::multicast_promiscuous : rc::unicast_promiscuous)) return true;
    for (std::size_t i = 0; i < addresses_.size(); i += 2) {
        if (!(addresses_[i + 1] & e1000::address_valid)) continue;
        const u64 address = addresses_[i] | u64{addresses_[i + 1] & 0xffff} << 32;
        u64 destination = 0;
        for (unsigned b = 0; b < 6; b++) destination |= std::to_integer<u64>(frame[b]) << (8 * b);
        if (address == destination) return true;
    }
    return group && multicast_wanted(frame);
}

/// A hash of the address' last two bytes picks a bit (ch. 13.5.1).
bool E1000Chip::multicast_wanted(std::span<const std::byte> frame) const {
    constexpr std::array<unsigned, 4> shifts = {4, 3, 2, 0};
    const unsigned last = std::to_integer<unsigned>(frame[4]) | std::to_integer<unsigned>(frame[5]) << 8;
    const unsigned shift = shifts[receive_control_ >> e1000::receive_control::multicast_shift & 3];
    const unsigned hash = last >> shift & 0xfff;
    return multicast_[hash >> 5] >> (hash & 31) & 1;
}

}  // namespace softmetal::devices
