// The 82540EM's registers, interrupt causes and address filter: all of the card but for its descriptor rings'
// work and its surroundings. Statistics registers are not counted and read as 0.
#pragma once

#include "base/result.hpp"
#include "bus/saved_state.hpp"
#include "devices/e1000/e1000_eeprom.hpp"
#include "devices/e1000/e1000_phy.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace softmetal::devices {

/// One of the two rings (ch. 3.2.6, 3.4): descriptors from head up to, but not with, tail are the card's.
struct E1000Ring {
    u64 base = 0;
    u32 length = 0, head = 0, tail = 0;  // length in bytes, the others in descriptors
    bool operator==(const E1000Ring&) const = default;

    [[nodiscard]] u32 descriptors() const { return length / e1000::descriptor_bytes; }
    /// Does the card have any? Never where software has written what cannot be.
    [[nodiscard]] bool work() const { return head != tail && head < descriptors() && tail < descriptors(); }
    [[nodiscard]] u32 available() const { return tail >= head ? tail - head : descriptors() - head + tail; }
    [[nodiscard]] u64 address(u32 index) const { return base + u64{index} * e1000::descriptor_bytes; }
    [[nodiscard]] u32 after(u32 index) const { return index + 1 < descriptors() ? index + 1 : 0; }
};

class E1000Chip {
 public:
    /// What a write asks for beyond the registers.
    enum class Event : u8 { none, transmit, receive_ring };

    explicit E1000Chip(const MacAddress& mac);

    /// A 32-bit register at a multiple of 4; reading ICR clears it.
    [[nodiscard]] u32 read(u32 offset);
    Event write(u32 offset, u32 value);
    void reset();

    /// The causes that are not masked.
    [[nodiscard]] u32 interrupts() const { return cause_ & mask_; }
    void raise(u32 causes) { cause_ |= causes; }

    [[nodiscard]] bool receives() const { return receive_control_ & e1000::receive_control::enable; }
    [[nodiscard]] bool transmits() const { return transmit_control_ & e1000::transmit_control::enable; }
    [[nodiscard]] u32 receive_control() const { return receive_control_; }
    /// Of one receive descriptor's buffer, in bytes.
    [[nodiscard]] u32 buffer_size() const;
    /// Is this frame one for the card (ch. 3.2.1)?
    [[nodiscard]] bool accepts(std::span<const std::byte> frame) const;

    E1000Ring receive, transmit;

    [[nodiscard]] nlohmann::json save() const;
    [[nodiscard]] Result<> restore(const nlohmann::json& fields);

 private:
    [[nodiscard]] bool multicast_wanted(std::span<const std::byte> frame) const;
    [[nodiscard]] u32* plain_register(u32 offset);
    void write_ring(E1000Ring& ring, u32 offset, u32 value);
    [[nodiscard]] static u32 read_ring(const E1000Ring& ring, u32 offset);
    void write_eeprom_read(u32 value);
    void write_mdi(u32 value);
    void load_address();

    E1000Eeprom eeprom_;
    E1000Phy phy_;
    u32 control_ = 0, eeprom_control_ = 0, eeprom_read_ = 0, mdi_ = 0;
    u32 cause_ = 0, mask_ = 0, receive_control_ = 0, transmit_control_ = 0;
    std::array<u32, 128> multicast_{}, vlan_filter_{};
    std::array<u32, 32> addresses_{};  // low and high halves in turn
    /// Registers that are stored and read back, without more.
    static constexpr std::array<u32, 22> stored_offsets = {e1000::reg::extended_control,
                                                           e1000::reg::flash_access,
                                                           e1000::reg::flow_low,
                                                           e1000::reg::flow_high,
                                                           e1000::reg::flow_type,
                                                           e1000::reg::vlan_type,
                                                           e1000::reg::throttling,
                                                           e1000::reg::flow_time,
                                                           e1000::reg::transmit_word,
                                                           e1000::reg::gap,
                                                           e1000::reg::adaptive_gap,
                                                           e1000::reg::led_control,
                                                           e1000::reg::packet_buffer,
                                                           e1000::reg::receive_low_water,
                                                           e1000::reg::receive_high_water,
                                                           e1000::reg::receive_delay,
                                                           e1000::reg::receive_descriptor_control,
                                                           e1000::reg::receive_absolute_delay,
                                                           e1000::reg::transmit_delay,
                                                           e1000::reg::transmit_descriptor_control,
                                                           e1000::reg::transmit_absolute_delay,
                                                           e1000::reg::receive_checksum};
    std::array<u32, stored_offsets.size()> stored_{};
};

}  // namespace softmetal::devices
