// One 8237A: four channels with address, count and mode. It counts; whoever owns it moves the bytes.
#pragma once

#include "devices/dma8237/dma8237_registers.hpp"

#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>

namespace softmetal::devices {

class StateReader;

class Dma8237Chip {
 public:
    enum class Direction : u8 { verify, to_memory, from_memory, none };

    [[nodiscard]] u8 read(unsigned offset);
    void write(unsigned offset, u8 value);
    void reset();

    /// What the channel is programmed for; none where it does not move anything now.
    [[nodiscard]] Direction direction(unsigned channel) const;
    /// Where the next byte or word lies, and how many follow each other from there without a wrap.
    struct Place {
        u16 address = 0;
        u32 count = 0;
        bool downwards = false;
    };
    [[nodiscard]] Place next(unsigned channel) const;
    /// So many have been moved, at most next().count. True at the channel's end.
    bool advance(unsigned channel, u32 count);

    [[nodiscard]] nlohmann::json save() const;
    void restore(StateReader& in);

 private:
    struct Channel {
        u16 base_address = 0, base_count = 0, address = 0, count = 0;
        u8 mode = 0;
    };
    std::array<Channel, dma8237::channels> channels_;
    u8 command_ = 0, mask_ = 0xf, terminal_ = 0;
    bool upper_byte_ = false;
};

}  // namespace softmetal::devices
