#include "network/learning_switch.hpp"

namespace softmetal::network {

namespace {

constexpr std::size_t address_bytes = 6;

u64 address_at(std::span<const std::byte> frame, std::size_t offset) {
    u64 address = 0;
    for (const std::byte b : frame.subspan(offset, address_bytes))
        address = address << 8 | static_cast<u64>(b);
    return address;
}

/// A group's, or everybody's: the first bit on the wire.
bool is_group(u64 address) { return address >> 40 & 1; }

}  // namespace

std::optional<LearningSwitch::Port> LearningSwitch::destination(Port from, std::span<const std::byte> frame) {
    if (frame.size() < bus::ethernet_header_bytes) return from;
    const u64 to = address_at(frame, 0), sender = address_at(frame, address_bytes);
    if (!is_group(sender) && (places_.size() < most_addresses || places_.contains(sender)))
        places_[sender] = from;
    const auto known = is_group(to) ? places_.end() : places_.find(to);
    if (known == places_.end()) return std::nullopt;
    return known->second;
}

void LearningSwitch::forget(Port port) {
    std::erase_if(places_, [port](const auto& place) { return place.second == port; });
}

}  // namespace softmetal::network
