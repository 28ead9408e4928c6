// Packets of the GDB remote serial protocol (GDB manual, appendix E.1): bytes to packets and back. No meaning
// here.
#pragma once

#include "base/integers.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace softmetal::gdb_stub {

/// What a packet may hold, both ways, before escaping.
inline constexpr std::size_t maximum_payload = 16 * 1024;

class PacketReader {
 public:
    enum class Kind : u8 {
        packet,
        damaged,    // a packet whose checksum is wrong, or that is too long: to be answered by '-'
        rejected,   // '-': the last packet is wanted again
        interrupt,  // Ctrl-C
    };
    struct Input {
        Kind kind = Kind::packet;
        std::string payload = {};  // escapes undone
    };

    void feed(std::span<const u8> bytes);
    /// None where what has come so far holds no more.
    [[nodiscard]] std::optional<Input> next();

 private:
    [[nodiscard]] std::optional<Input> take_packet();
    std::string waiting_;
    bool skipping_ = false;  // the rest of a packet that is too long
};

/// "$payload#checksum", escaped.
[[nodiscard]] std::string frame_packet(std::string_view payload);

}  // namespace softmetal::gdb_stub
