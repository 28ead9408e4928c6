#include "devices/fw_cfg/fw_cfg.hpp"

#include "base/bits.hpp"
#include "devices/fw_cfg/fw_cfg_registers.hpp"
#include "devices/state_reader.hpp"

#include <algorithm>
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
    items_[key::id] = little_endian(fw_cfg::id_traditional_interface);
    items_[key::ram_size] = little_endian(machine.ram_bytes);
    items_[key::cpu_count] = little_endian(machine.cpus);
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

Result<std::unique_ptr<FwCfg>> FwCfg::restore(FwCfgItems items, const bus::SavedState& saved) {
    StateReader read(saved, "fw_cfg", 1);
    auto device = std::make_unique<FwCfg>(std::move(items));
    device->key_ = read.number<u16>("key");
    device->position_ = read.number<u32>("position");
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return device;
}

/// Behind an item's end, and for keys without one, zeros.
u64 FwCfg::read_io(u64 offset, unsigned width) {
    if (offset != fw_cfg::data || width != 1) return low_bits(8 * width);
    const std::lock_guard lock(mutex_);
    const std::vector<u8>& item = items_.at(key_);
    return position_ < item.size() ? item[position_++] : 0;
}

void FwCfg::write_io(u64 offset, unsigned width, u64 value) {
    if (offset != fw_cfg::selector || width != 2) return;
    const std::lock_guard lock(mutex_);
    key_ = static_cast<u16>(value);
    position_ = 0;
}

void FwCfg::reset() {
    const std::lock_guard lock(mutex_);
    key_ = 0;
    position_ = 0;
}

bus::SavedState FwCfg::save() const {
    const std::lock_guard lock(mutex_);
    return {"fw_cfg", 1, {{"key", key_}, {"position", position_}}};
}

}  // namespace softmetal::devices
