#include "devices/fw_cfg/fw_cfg.hpp"

#include "base/bits.hpp"
#include "devices/fw_cfg/fw_cfg_registers.hpp"
#include "devices/state_reader.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fmt/format.h>

namespace softmetal::devices {
namespace {

template <class T>
std::vector<u8> little_endian(T value) {
    std::vector<u8> bytes(sizeof value);
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

template <class T>
void append_big_endian(std::vector<u8>& bytes, T value) {
    for (unsigned i = sizeof value; i-- > 0;) bytes.push_back(static_cast<u8>(u64{value} >> (8 * i)));
}

}  // namespace

FwCfgItems::FwCfgItems(const Machine& machine) {
    namespace key = fw_cfg::key;
    items_[key::signature] = {'Q', 'E', 'M', 'U'};
    items_[key::id] = little_endian(fw_cfg::id_traditional_interface | fw_cfg::id_dma_interface);
    items_[key::ram_size] = little_endian(machine.ram_bytes);
    items_[key::cpu_count] = little_endian(machine.cpus);
    items_[key::boot_menu] = little_endian(u16{machine.boot_menu});
    items_[key::max_cpu_count] = little_endian(machine.cpus);
    write_directory();
}

Result<> FwCfgItems::add_file(std::string_view name, std::vector<u8> content) {
    if (name.empty() || name.size() >= fw_cfg::file_name_size ||
        std::ranges::find(files_, name, &File::name) != files_.end())
        return fail(fmt::format("'{}' cannot be the name of a firmware configuration file", name));
    const auto file_key = static_cast<u16>(fw_cfg::key::first_file + files_.size());
    files_.push_back({std::string(name), file_key});
    items_[file_key] = std::move(content);
    write_directory();
    return {};
}

void FwCfgItems::add_loadable(Loadable part) {
    items_[part.address_key] = little_endian(part.address);
    items_[part.size_key] = little_endian(static_cast<u32>(part.bytes.size()));
    items_[part.data_key] = std::move(part.bytes);
}

const std::vector<u8>& FwCfgItems::at(u16 key) const {
    static const std::vector<u8> nothing;
    const auto item = items_.find(key);
    return item == items_.end() ? nothing : item->second;
}

void FwCfgItems::write_directory() {
    std::vector<u8> directory;
    append_big_endian(directory, static_cast<u32>(files_.size()));
    for (const File& file : files_) {
        append_big_endian(directory, static_cast<u32>(items_[file.key].size()));
        append_big_endian(directory, file.key);
        append_big_endian(directory, u16{0});
        const std::size_t name_at = directory.size();
        directory.insert(directory.end(), file.name.begin(), file.name.end());
        directory.resize(name_at + fw_cfg::file_name_size);
    }
    items_[fw_cfg::key::file_directory] = std::move(directory);
}

Result<std::unique_ptr<FwCfg>> FwCfg::restore(FwCfgItems items, bus::DmaView& memory,
                                              const bus::SavedState& saved) {
    StateReader read(saved, "fw_cfg", 2);
    auto device = std::make_unique<FwCfg>(std::move(items), memory);
    device->key_ = read.number<u16>("key");
    device->position_ = read.number<u32>("position");
    if (saved.version >= 2) device->dma_address_ = read.number<u64>("dma_address");
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return device;
}

/// Behind an item's end, and for keys without one, zeros.
u8 FwCfg::next_byte() {
    const std::vector<u8>& item = items_.at(key_);
    return position_ < item.size() ? item[position_++] : 0;
}

u64 FwCfg::read_io(u64 offset, unsigned width) {
    const std::lock_guard lock(mutex_);
    if (offset == fw_cfg::data && width == 1) return next_byte();
    if (offset < fw_cfg::dma || offset + width > fw_cfg::port_count) return low_bits(8 * width);
    u64 value = 0;  // a big-endian register, so its first byte is the uppermost
    for (unsigned i = 0; i < width; i++) {
        const u64 byte = offset - fw_cfg::dma + i;
        value |= (fw_cfg::dma_signature >> (8 * (7 - byte)) & 0xff) << (8 * i);
    }
    return value;
}

void FwCfg::write_io(u64 offset, unsigned width, u64 value) {
    const std::lock_guard lock(mutex_);
    if (offset == fw_cfg::selector && width == 2) return select(static_cast<u16>(value));
    const u32 half = std::byteswap(static_cast<u32>(value));
    if (offset == fw_cfg::dma && width == 4) dma_address_ = u64{half} << 32;
    if (offset == fw_cfg::dma && width == 8) dma_address_ = std::byteswap(value);
    if (offset == fw_cfg::dma_low && width == 4) dma_address_ |= half;
    if (offset + width == fw_cfg::port_count && width >= 4) {
        transfer({dma_address_});
        dma_address_ = 0;
    }
}

void FwCfg::select(u16 key) {
    key_ = key;
    position_ = 0;
}

void FwCfg::transfer(GuestPhysical where) {
    namespace control = fw_cfg::transfer;
    struct {
        u32 control, length;
        u64 address;
    } request{};
    static_assert(sizeof request == control::size);
    if (!memory_.read(where, std::as_writable_bytes(std::span(&request, 1)))) return;
    const u32 wish = std::byteswap(request.control);
    u32 left = std::byteswap(request.length);
    GuestPhysical to{std::byteswap(request.address)};

    if (wish & control::select) select(static_cast<u16>(wish >> 16));
    u32 result = 0;
    if (wish & control::read) {
        if (!copy_to(to, left)) result = control::error;
    } else if (wish & control::write) {
        result = control::error;
    } else if (wish & control::skip) {
        const u64 size = items_.at(key_).size();
        position_ = static_cast<u32>(std::max<u64>(position_, std::min<u64>(size, u64{position_} + left)));
    }
    const u32 answer = std::byteswap(result);
    static_cast<void>(memory_.write(where, std::as_bytes(std::span(&answer, 1))));
}

/// The item's bytes, then zeros.
bool FwCfg::copy_to(GuestPhysical to, u32 length) {
    std::array<u8, 4096> buffer;
    while (length != 0) {
        const auto chunk = static_cast<u32>(std::min<u64>(buffer.size(), length));
        for (u32 i = 0; i < chunk; i++) buffer[i] = next_byte();
        if (!memory_.write(to, std::as_bytes(std::span(buffer).first(chunk)))) return false;
        to.value += chunk;
        length -= chunk;
    }
    return true;
}

void FwCfg::reset() {
    const std::lock_guard lock(mutex_);
    select(0);
    dma_address_ = 0;
}

bus::SavedState FwCfg::save() const {
    const std::lock_guard lock(mutex_);
    return {"fw_cfg", 2, {{"key", key_}, {"position", position_}, {"dma_address", dma_address_}}};
}

}  // namespace softmetal::devices
