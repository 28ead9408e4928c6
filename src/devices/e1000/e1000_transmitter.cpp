#include "devices/e1000/e1000_transmitter.hpp"

#include "base/bits.hpp"

#include <algorithm>

namespace softmetal::devices {

namespace {

using Frame = std::span<std::byte>;
namespace tx = e1000::transmit;

u16 get16(Frame frame, std::size_t at) {
    return static_cast<u16>(std::to_integer<u16>(frame[at]) << 8 | std::to_integer<u16>(frame[at + 1]));
}
void put16(Frame frame, std::size_t at, u32 value) {
    frame[at] = static_cast<std::byte>(value >> 8);
    frame[at + 1] = static_cast<std::byte>(value);
}
bool has16(Frame frame, std::size_t at) { return at + 2 <= frame.size(); }

/// Puts the internet checksum (RFC 1071) of [start, end) at `offset`; what is there already counts, as a
/// driver leaves the pseudo-header's sum there. Not where that is outside the frame.
void insert_checksum(Frame frame, std::size_t start, std::size_t offset, std::size_t end) {
    end = std::min(end, frame.size());
    if (start >= end || !has16(frame, offset)) return;
    u32 sum = 0;
    for (std::size_t i = start; i < end; i++) {
        const u32 byte = std::to_integer<u32>(frame[i]);
        sum += (i - start) % 2 ? byte : byte << 8;
    }
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    put16(frame, offset, ~sum);
}

void insert_checksums(Frame frame, const E1000Context& c, u8 options) {
    if (options & tx::option_ip_checksum) insert_checksum(frame, c.ip_start, c.ip_offset, c.ip_end + 1u);
    if (options & tx::option_tcp_checksum)
        insert_checksum(frame, c.tcp_start, c.tcp_offset, c.tcp_end ? c.tcp_end + 1u : frame.size());
}

}  // namespace

void E1000Transmitter::take(u64 address, u64 command, const bus::DmaView& memory, const Output& output) {
    if (!(command & tx::extension)) {
        append(address, command & tx::legacy_length_mask, memory);
        if (!(command & tx::end_of_packet)) return;
        // CSS and CSO are in the last descriptor; CSS 0 is the frame's beginning.
        if (command & tx::insert_checksum && !state_.lost)
            insert_checksum(state_.frame, bits(command, 47, 40), bits(command, 23, 16), state_.frame.size());
        state_.options = 0;
        state_.segments = false;
        return finish(output);
    }
    if (static_cast<tx::Type>(bits(command, 23, 20)) == tx::Type::context)
        return take_context(address, command);
    if (state_.frame.empty()) {  // only the first of a frame's descriptors says these
        state_.options = static_cast<u8>(command >> tx::option_shift);
        state_.segments = command & tx::segmentation;
    }
    append(address, command & tx::length_mask, memory);
    if (command & tx::end_of_packet) finish(output);
}

void E1000Transmitter::take_context(u64 address, u64 command) {
    state_.context = {.ip_start = static_cast<u8>(address),
                      .ip_offset = static_cast<u8>(address >> 8),
                      .tcp_start = static_cast<u8>(address >> 32),
                      .tcp_offset = static_cast<u8>(address >> 40),
                      .ip_end = static_cast<u16>(address >> 16),
                      .tcp_end = static_cast<u16>(address >> 48),
                      .payload = static_cast<u32>(command & tx::length_mask),
                      .segment = static_cast<u16>(command >> 48),
                      .header = static_cast<u8>(command >> 40),
                      .tcp = (command & tx::is_tcp) != 0,
                      .ipv4 = (command & tx::is_ipv4) != 0};
}

void E1000Transmitter::append(u64 address, u64 length, const bus::DmaView& memory) {
    const std::size_t before = state_.frame.size();
    if (state_.lost || length > longest - before) {
        state_.lost = true;
        return;
    }
    state_.frame.resize(before + length);
    if (!memory.read({address}, Frame(state_.frame).subspan(before))) state_.lost = true;
}

void E1000Transmitter::finish(const Output& output) {
    if (!state_.lost && !state_.frame.empty()) {
        if (state_.segments) {
            cut(output);
        } else {
            insert_checksums(state_.frame, state_.context, state_.options);
            output(state_.frame);
        }
    }
    state_.frame.clear();
    state_.lost = false;
}

/// Ch. 3.5: every segment begins with the header, in which lengths, identification, sequence number and flags
/// follow.
void E1000Transmitter::cut(const Output& output) const {
    constexpr std::size_t sequence = 4, flags = 13;  // in a TCP header
    constexpr std::byte fin_and_psh{0x09};
    const E1000Context& c = state_.context;
    const std::span<const std::byte> all(state_.frame);
    const std::size_t ip_fields = c.ip_start + 6u, tcp_fields = c.tcp_start + flags + 1u;
    // A context that does not fit the frame is the driver's mistake.
    if (c.segment == 0 || c.header > all.size() || c.header < ip_fields || (c.tcp && c.header < tcp_fields))
        return;
    const std::span<const std::byte> payload = all.subspan(c.header);
    std::vector<std::byte> storage;
    storage.reserve(std::size_t{c.header} + c.segment);
    u16 number = 0;
    for (std::size_t done = 0; done < payload.size() || number == 0; number++) {
        const auto part = payload.subspan(done, std::min<std::size_t>(c.segment, payload.size() - done));
        storage.assign(all.begin(), all.begin() + c.header);
        storage.insert(storage.end(), part.begin(), part.end());
        const Frame frame(storage);
        if (c.ipv4) {
            put16(frame, c.ip_start + 2u, static_cast<u32>(frame.size() - c.ip_start));
            put16(frame, c.ip_start + 4u, get16(frame, c.ip_start + 4u) + u32{number});
        } else {
            constexpr unsigned ipv6_header = 40;
            put16(frame, c.ip_start + 4u, static_cast<u32>(frame.size() - c.ip_start - ipv6_header));
        }
        if (c.tcp) {
            const std::size_t at = c.tcp_start + sequence;
            const u32 first = u32{get16(frame, at)} << 16 | get16(frame, at + 2);
            put16(frame, at, (first + static_cast<u32>(done)) >> 16);
            put16(frame, at + 2, first + static_cast<u32>(done));
            if (done + part.size() < payload.size()) frame[c.tcp_start + flags] &= ~fin_and_psh;
        } else if (has16(frame, c.tcp_start + 4u)) {
            put16(frame, c.tcp_start + 4u, static_cast<u32>(frame.size() - c.tcp_start));
        }
        // The driver's pseudo-header sum is without the length.
        if (state_.options & tx::option_tcp_checksum && has16(frame, c.tcp_offset)) {
            u32 sum = get16(frame, c.tcp_offset) + static_cast<u32>(frame.size() - c.tcp_start);
            sum = (sum & 0xffff) + (sum >> 16);
            put16(frame, c.tcp_offset, (sum & 0xffff) + (sum >> 16));
        }
        insert_checksums(frame, c, state_.options);
        output(frame);
        done += part.size();
    }
}

}  // namespace softmetal::devices
