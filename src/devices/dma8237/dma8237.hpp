// The PC/AT's two 8237As, the first for bytes, the second for words and with the first on its channel 0, and
// the page registers that hold the addresses' upper bits.
#pragma once

#include "bus/device.hpp"
#include "bus/dma.hpp"
#include "bus/isa_dma.hpp"
#include "devices/byte_ports.hpp"
#include "devices/dma8237/dma8237_chip.hpp"

#include <memory>
#include <mutex>

namespace softmetal::devices {

class Dma8237 final : public bus::Device {
 public:
    static constexpr unsigned channel_count = 8, cascade_channel = 4;
    static constexpr u64 first_ports = 16, second_ports = 32, page_ports = 15;

    explicit Dma8237(bus::DmaView& memory);
    [[nodiscard]] static Result<std::unique_ptr<Dma8237>> restore(bus::DmaView& memory,
                                                                  const bus::SavedState& saved);

    [[nodiscard]] bus::IoHandler& first_controller() { return first_; }    // 0x00
    [[nodiscard]] bus::IoHandler& second_controller() { return second_; }  // 0xc0, a register every two ports
    [[nodiscard]] bus::IoHandler& page_registers() { return pages_port_; }  // from 0x81 on; 0x80 is another's

    /// Not the cascade's.
    [[nodiscard]] bus::IsaDmaChannel& channel(unsigned number) { return ends_.at(number); }

    [[nodiscard]] std::string_view name() const override { return "dma8237"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    struct End final : bus::IsaDmaChannel {
        Moved to_memory(std::span<const std::byte> data) override;
        Moved from_memory(std::span<std::byte> into) override;
        template <class Bytes, class Move>
        Moved run(Bytes bytes, Dma8237Chip::Direction wanted, Move move);
        Dma8237* owner = nullptr;
        unsigned number = 0;
    };

    u8 read_first(u64 offset);
    void write_first(u64 offset, u8 value);
    u8 read_second(u64 offset);
    void write_second(u64 offset, u8 value);
    u8 read_page(u64 offset);
    void write_page(u64 offset, u8 value);

    bus::DmaView& memory_;
    mutable std::mutex mutex_;
    std::array<Dma8237Chip, 2> chips_;
    std::array<u8, page_ports> pages_{};
    std::array<End, channel_count> ends_;
    PortRange<Dma8237> first_, second_, pages_port_;
};

}  // namespace softmetal::devices
