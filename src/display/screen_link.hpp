// What a viewer and the process of the virtual machine say to each other over a byte socket: records of fixed
// size. The picture itself is in memory that both have mapped, the surface; a viewer asks for a frame and
// looks at the surface when it is told that the frame is done, so that it never sees half of one.
//
// Either side takes the other's records for a stranger's: checked, never believed.
#pragma once

#include "bus/backends/input.hpp"
#include "bus/backends/screen.hpp"

#include <array>
#include <optional>
#include <span>
#include <vector>

namespace softmetal::display {

/// Enough for the largest picture. Pixels are 0xRRGGBB in 32 bits, lines follow one another without a gap.
inline constexpr u64 surface_bytes =
    u64{bus::Screen::maximum_width} * bus::Screen::maximum_height * sizeof(u32);

struct Record {
    enum class Kind : u8 {
        frame_wanted = 1,  // viewer
        key,               // viewer: `detail` is the key, `flag` whether it is down
        pointer,           // viewer: where it is, the buttons in `detail`, the wheel in `flag`
        changed,           // machine: a rectangle of the frame that is about to be done
        frame_done,        // machine: width and height
    };
    Kind kind = Kind::frame_wanted;
    u8 detail = 0, flag = 0;
    u16 x = 0, y = 0, width = 0, height = 0;
    bool operator==(const Record&) const = default;
};

inline constexpr std::size_t record_bytes = 11;
[[nodiscard]] std::array<u8, record_bytes> encode(const Record& record);
/// None where there is no such record, or it tells of what no picture has.
[[nodiscard]] std::optional<Record> decode(std::span<const u8, record_bytes> bytes);

[[nodiscard]] Record key_record(bus::Key key, bool down);
[[nodiscard]] Record pointer_record(const bus::PointerState& state);
/// For records of the kind `pointer`.
[[nodiscard]] bus::PointerState pointer_state(const Record& record);

/// Cuts a stream of bytes into records.
class RecordReader {
 public:
    /// Appends what is complete to `records`; false at the first that is none.
    [[nodiscard]] bool read(std::span<const u8> bytes, std::vector<Record>& records);

 private:
    std::vector<u8> rest_;
};

}  // namespace softmetal::display
