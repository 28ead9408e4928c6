#include "devices/pci/msix.hpp"

#include "base/bits.hpp"
#include "devices/pci/pci_registers.hpp"
#include "devices/state_reader.hpp"

#include <array>

namespace softmetal::devices::pci {

namespace {

constexpr u16 control_enable = 1u << 15, control_mask = 1u << 14;
constexpr u32 entry_masked = 1;

std::array<u8, 10> capability_body(unsigned vectors, unsigned bar, u32 table_offset, u32 pending_offset) {
    std::array<u8, 10> body{};
    const auto put = [&](unsigned at, u32 value, unsigned width) {
        for (unsigned i = 0; i < width; ++i) body[at + i] = static_cast<u8>(value >> (8 * i));
    };
    put(0, vectors - 1, 2);
    put(2, table_offset | bar, 4);
    put(6, pending_offset | bar, 4);
    return body;
}

}  // namespace

Msix::Msix(ConfigSpace& configuration, unsigned vectors, unsigned bar, u32 table_offset, u32 pending_offset,
           bus::InterruptMessageSink& sink)
    : sink_(sink), entries_(vectors) {
    capability_ = configuration.add_capability(capability::msix,
                                               capability_body(vectors, bar, table_offset, pending_offset));
    configuration.define(static_cast<u8>(capability_ + 2), 2, vectors - 1, control_enable | control_mask);
}

bool Msix::enabled() const {
    const std::lock_guard lock(mutex_);
    return enabled_;
}

void Msix::send(unsigned vector) {
    const std::lock_guard lock(mutex_);
    if (!enabled_ || vector >= entries_.size()) return;
    entries_[vector].pending = true;
    send_unmasked();
}

void Msix::send_unmasked() {
    if (!enabled_ || masked_) return;
    for (Entry& entry : entries_) {
        if (!entry.pending || (entry.control & entry_masked)) continue;
        entry.pending = false;
        if (entry.address_high == 0) sink_.send({.address = entry.address_low, .data = entry.data});
    }
}

u32 Msix::word(u64 offset) const {
    if (offset / entry_size >= entries_.size()) return 0;
    const Entry& e = entries_[offset / entry_size];
    const std::array words{e.address_low, e.address_high, e.data, e.control};
    return words[offset % entry_size / 4];
}

void Msix::set_word(u64 offset, u32 value) {
    if (offset / entry_size >= entries_.size()) return;
    Entry& e = entries_[offset / entry_size];
    switch (offset % entry_size / 4) {
        case 0: e.address_low = value & ~3u; break;
        case 1: e.address_high = value; break;
        case 2: e.data = value; break;
        default: e.control = value & entry_masked; break;
    }
}

// Software shall use aligned accesses of 4 or 8 bytes (ch. 6.8.2); anything else is undefined there.
u64 Msix::read_table(u64 offset, unsigned width) const {
    const std::lock_guard lock(mutex_);
    if (width < 4 || offset % width) return ~u64{0};
    return width == 4 ? word(offset) : word(offset) | u64{word(offset + 4)} << 32;
}

void Msix::write_table(u64 offset, unsigned width, u64 value) {
    const std::lock_guard lock(mutex_);
    if (width < 4 || offset % width) return;
    set_word(offset, static_cast<u32>(value));
    if (width == 8) set_word(offset + 4, static_cast<u32>(value >> 32));
    send_unmasked();
}

u64 Msix::read_pending(u64 offset, unsigned width) const {
    const std::lock_guard lock(mutex_);
    u64 value = 0;
    for (unsigned i = 0; i < width * 8; ++i) {
        const u64 vector = offset * 8 + i;
        if (vector < entries_.size() && entries_[vector].pending) value |= bit(i);
    }
    return value;
}

void Msix::follow(const ConfigSpace& configuration) {
    const u32 control = configuration.read(static_cast<u8>(capability_ + 2), 2);
    const std::lock_guard lock(mutex_);
    enabled_ = control & control_enable;
    masked_ = control & control_mask;
    send_unmasked();
}

void Msix::reset() {
    const std::lock_guard lock(mutex_);
    enabled_ = masked_ = false;
    entries_.assign(entries_.size(), {});
}

nlohmann::json Msix::save() const {
    const std::lock_guard lock(mutex_);
    nlohmann::json list = nlohmann::json::array();
    for (const Entry& e : entries_)
        list.push_back({{"address_low", e.address_low},
                        {"address_high", e.address_high},
                        {"data", e.data},
                        {"control", e.control},
                        {"pending", e.pending}});
    return {{"entries", std::move(list)}};
}

Result<> Msix::restore(const nlohmann::json& fields) {
    StateReader in(fields, "MSI-X");
    const nlohmann::json& list = in.part("entries");
    in.require(list.size() == entries_.size(), "the number of vectors differs");
    if (auto read = in.finish(); !read) return read;
    std::vector<Entry> entries;
    for (const nlohmann::json& item : list) {
        StateReader entry(item, "MSI-X entry");
        entries.push_back({.address_low = entry.number<u32>("address_low"),
                           .address_high = entry.number<u32>("address_high"),
                           .data = entry.number<u32>("data"),
                           .control = entry.number<u32>("control", entry_masked),
                           .pending = entry.flag("pending")});
        if (auto read = entry.finish(); !read) return read;
    }
    const std::lock_guard lock(mutex_);
    entries_ = std::move(entries);
    return {};
}

}  // namespace softmetal::devices::pci
