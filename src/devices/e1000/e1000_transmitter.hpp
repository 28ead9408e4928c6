// What becomes of the transmit ring's descriptors: frames, with checksums put in and TCP data cut into
// segments where the driver asks for that (ch. 3.3 to 3.6).
#pragma once

#include "bus/dma.hpp"
#include "devices/e1000/e1000_registers.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace softmetal::devices {

/// The offsets a context descriptor gives (ch. 3.3.6), in bytes from the frame's beginning.
struct E1000Context {
    u8 ip_start = 0, ip_offset = 0, tcp_start = 0, tcp_offset = 0;
    u16 ip_end = 0, tcp_end = 0;  // the last byte; 0 for TCP is the frame's end
    u32 payload = 0;
    u16 segment = 0;  // payload bytes a segment
    u8 header = 0;
    bool tcp = false, ipv4 = false;
    bool operator==(const E1000Context&) const = default;
};

class E1000Transmitter {
 public:
    /// Longer frames, before they are cut, are lost.
    static constexpr std::size_t longest = 0x1'0000 + 256;
    using Output = std::function<void(std::span<const std::byte>)>;

    /// Takes one descriptor; hands out the frames that it completes.
    void take(u64 address, u64 command, const bus::DmaView& memory, const Output& output);
    void reset() { *this = {}; }

    /// Between descriptors, for saving.
    struct State {
        E1000Context context;
        std::vector<std::byte> frame;
        u8 options = 0;
        bool segments = false, lost = false;
    };
    [[nodiscard]] const State& state() const { return state_; }
    void set_state(State state) { state_ = std::move(state); }

 private:
    void take_context(u64 address, u64 command);
    void append(u64 address, u64 length, const bus::DmaView& memory);
    void finish(const Output& output);
    void cut(const Output& output) const;

    State state_;
};

}  // namespace softmetal::devices
