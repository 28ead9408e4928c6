#include "display/screen_link.hpp"

namespace softmetal::display {
namespace {

constexpr std::size_t numbers_at = 3;

u16 get(std::span<const u8, record_bytes> bytes, std::size_t index) {
    const std::size_t at = numbers_at + 2 * index;
    return static_cast<u16>(bytes[at] | bytes[at + 1] << 8);
}

bool is_on_screen(const Record& r) {
    return r.width > 0 && r.height > 0 && u32{r.x} + r.width <= bus::Screen::maximum_width &&
           u32{r.y} + r.height <= bus::Screen::maximum_height;
}

bool is_possible(const Record& r) {
    switch (r.kind) {
        case Record::Kind::frame_wanted: return true;
        case Record::Kind::key: return r.flag <= 1;
        case Record::Kind::pointer:
            return r.x < r.width && r.y < r.height && r.width <= bus::Screen::maximum_width &&
                   r.height <= bus::Screen::maximum_height && r.detail <= bus::pointer_button::all;
        case Record::Kind::changed: return is_on_screen(r);
        case Record::Kind::frame_done: return r.x == 0 && r.y == 0 && is_on_screen(r);
    }
    return false;
}

}  // namespace

std::array<u8, record_bytes> encode(const Record& record) {
    std::array<u8, record_bytes> bytes{static_cast<u8>(record.kind), record.detail, record.flag};
    std::size_t at = numbers_at;
    for (const u16 number : {record.x, record.y, record.width, record.height}) {
        bytes[at++] = static_cast<u8>(number);
        bytes[at++] = static_cast<u8>(number >> 8);
    }
    return bytes;
}

std::optional<Record> decode(std::span<const u8, record_bytes> bytes) {
    const Record record{.kind = static_cast<Record::Kind>(bytes[0]),
                        .detail = bytes[1],
                        .flag = bytes[2],
                        .x = get(bytes, 0),
                        .y = get(bytes, 1),
                        .width = get(bytes, 2),
                        .height = get(bytes, 3)};
    if (!is_possible(record)) return std::nullopt;
    return record;
}

Record key_record(bus::Key key, bool down) {
    return {.kind = Record::Kind::key, .detail = static_cast<u8>(key), .flag = down};
}

Record pointer_record(const bus::PointerState& state) {
    return {.kind = Record::Kind::pointer,
            .detail = state.buttons,
            .flag = static_cast<u8>(state.wheel),
            .x = state.x,
            .y = state.y,
            .width = state.width,
            .height = state.height};
}

bus::PointerState pointer_state(const Record& record) {
    return {.x = record.x,
            .y = record.y,
            .width = record.width,
            .height = record.height,
            .buttons = record.detail,
            .wheel = static_cast<i8>(record.flag)};
}

bool RecordReader::read(std::span<const u8> bytes, std::vector<Record>& records) {
    rest_.insert(rest_.end(), bytes.begin(), bytes.end());
    std::size_t done = 0;
    for (; rest_.size() - done >= record_bytes; done += record_bytes) {
        const auto record = decode(std::span(rest_).subspan(done).first<record_bytes>());
        if (!record) return false;
        records.push_back(*record);
    }
    rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(done));
    return true;
}

}  // namespace softmetal::display
