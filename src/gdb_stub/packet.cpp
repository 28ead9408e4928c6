#include "gdb_stub/packet.hpp"

#include "gdb_stub/hex.hpp"

#include <fmt/format.h>

namespace softmetal::gdb_stub {
namespace {

constexpr char escape = '}', escape_bit = 0x20, ctrl_c = 0x03;
constexpr std::size_t trailer = 3;  // '#' and two digits
// Each byte may be escaped.
constexpr std::size_t longest_packet = 2 * maximum_payload;

u8 checksum(std::string_view text) {
    u8 sum = 0;
    for (const char c : text) sum = static_cast<u8>(sum + static_cast<u8>(c));
    return sum;
}

std::string unescape(std::string_view text) {
    std::string plain;
    plain.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); i++) {
        if (text[i] == escape && i + 1 < text.size())
            plain += static_cast<char>(text[++i] ^ escape_bit);
        else
            plain += text[i];
    }
    return plain;
}

}  // namespace

void PacketReader::feed(std::span<const u8> bytes) { waiting_.append(bytes.begin(), bytes.end()); }

std::optional<PacketReader::Input> PacketReader::next() {
    for (;;) {
        if (skipping_) {
            const std::size_t end = waiting_.find('#');
            if (end == std::string::npos) {
                waiting_.clear();
                return std::nullopt;
            }
            if (waiting_.size() < end + trailer) return std::nullopt;
            waiting_.erase(0, end + trailer);
            skipping_ = false;
            return Input{Kind::damaged};
        }
        if (waiting_.empty()) return std::nullopt;
        const char first = waiting_.front();
        if (first == '$') return take_packet();
        waiting_.erase(0, 1);
        if (first == ctrl_c) return Input{Kind::interrupt};
        if (first == '-') return Input{Kind::rejected};
        // '+', and what a serial line may add between packets
    }
}

std::optional<PacketReader::Input> PacketReader::take_packet() {
    const std::size_t end = waiting_.find('#');
    if (end == std::string::npos) {
        if (waiting_.size() > longest_packet) {
            waiting_.clear();
            skipping_ = true;
        }
        return std::nullopt;
    }
    if (waiting_.size() < end + trailer) return std::nullopt;
    const std::string_view text = std::string_view(waiting_).substr(1, end - 1);
    const auto given = parse_hex(std::string_view(waiting_).substr(end + 1, 2));
    Input input;
    if (given != checksum(text) || text.size() > longest_packet)
        input.kind = Kind::damaged;
    else
        input.payload = unescape(text);
    waiting_.erase(0, end + trailer);
    return input;
}

std::string frame_packet(std::string_view payload) {
    std::string text = "$";
    for (const char c : payload) {
        // '*' announces a repetition in what a stub says.
        if (c == '$' || c == '#' || c == '*' || c == escape) {
            text += escape;
            text += static_cast<char>(c ^ escape_bit);
        } else {
            text += c;
        }
    }
    return text + fmt::format("#{:02x}", checksum(std::string_view(text).substr(1)));
}

}  // namespace softmetal::gdb_stub
