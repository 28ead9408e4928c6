#include "devices/ide/ide_channel.hpp"

#include "devices/state_reader.hpp"

#include <algorithm>

namespace softmetal::devices::ide {

namespace {

constexpr u8 nobody = 0x7f;  // an empty cable: bit 7 is pulled down

}  // namespace

// --- registers

u64 IdeChannel::read_command_block(u64 offset, unsigned width) {
    IdeDrive* const drive = selected();
    if (offset == reg::data) {
        u64 value = 0;
        for (unsigned i = 0; i < std::max(width, 2u) / 2; i++)
            value |= u64{drive ? drive->read_data() : u16{0xffff}} << (16 * i);
        return value;
    }
    u64 value = 0;
    for (unsigned i = 0; i < width; i++) {
        const auto at = static_cast<unsigned>(offset) + i;
        u8 byte = 0;
        if (at >= reg::file_size)
            byte = 0xff;
        else if (empty())
            byte = nobody;
        else if (drive)
            byte = drive->read(at, control_ & control::high_order_byte);
        else if (at == reg::device)
            byte = static_cast<u8>(device::always_one | (second_selected_ ? device::second : 0));
        if (at == reg::status && drive) drive->take_interrupt_back();
        value |= u64{byte} << (8 * i);
    }
    return value;
}

void IdeChannel::write_command_block(u64 offset, unsigned width, u64 value) {
    if (offset == reg::data) {
        for (unsigned i = 0; i < std::max(width, 2u) / 2; i++)
            if (IdeDrive* const drive = selected()) drive->write_data(static_cast<u16>(value >> (16 * i)));
        return;
    }
    for (unsigned i = 0; i < width; i++) {
        const auto at = static_cast<unsigned>(offset) + i;
        const auto byte = static_cast<u8>(value >> (8 * i));
        if (at > reg::command) return;
        control_ &= static_cast<u8>(~control::high_order_byte);
        if (at == reg::command) {
            if (byte == command::diagnose)
                diagnose();
            else if (IdeDrive* const drive = selected())
                drive->command(byte);
            continue;
        }
        if (at == reg::device) second_selected_ = byte & device::second;
        for (const auto& drive : drives_)
            if (drive) drive->write(at, byte);
    }
}

u8 IdeChannel::read_alternate_status() {
    if (empty()) return nobody;
    const IdeDrive* const drive = selected();
    return drive ? drive->read(reg::status, false) : 0;
}

void IdeChannel::write_control(u8 value) {
    const bool reset_ends = (control_ & control::software_reset) && !(value & control::software_reset);
    control_ = value;
    if (!reset_ends) return;
    second_selected_ = false;
    for (const auto& drive : drives_)
        if (drive) drive->reset();
}

/// EXECUTE DEVICE DIAGNOSTIC: both drives do it, the first one answers.
void IdeChannel::diagnose() {
    for (const auto& drive : drives_)
        if (drive) drive->reset();
    second_selected_ = false;
    if (drives_[0]) drives_[0]->finish_diagnosis();
}

bool IdeChannel::update_interrupt() {
    const IdeDrive* const drive = selected();
    const bool level = drive && drive->interrupt();
    if (level && !line_) master_status_ |= bus_master::interrupt;
    line_ = level;
    return level && !(control_ & control::no_interrupt);
}

void IdeChannel::reset() {
    for (const auto& drive : drives_)
        if (drive) drive->reset();
    second_selected_ = line_ = last_ = false;
    control_ = master_command_ = master_status_ = 0;
    table_ = next_entry_ = address_ = left_ = 0;
}

// --- the bus master

u8 IdeChannel::read_bus_master(unsigned offset) const {
    if (offset == bus_master::command) return master_command_;
    if (offset == bus_master::status) return master_status_;
    if (offset >= bus_master::table && offset < bus_master::size)
        return static_cast<u8>(table_ >> (8 * (offset - bus_master::table)));
    return 0;
}

void IdeChannel::write_bus_master(unsigned offset, u8 value) {
    if (offset == bus_master::command) {
        const bool starts = (value & bus_master::start) && !(master_command_ & bus_master::start);
        master_command_ = value & (bus_master::start | bus_master::to_memory);
        if (starts) {
            master_status_ |= bus_master::active;
            next_entry_ = table_;
            left_ = 0;
            last_ = false;
        }
        if (!(value & bus_master::start)) stop_bus_master(false);
    } else if (offset == bus_master::status) {
        const u8 cleared = value & (bus_master::interrupt | bus_master::error);
        master_status_ = static_cast<u8>((master_status_ & ~cleared & ~bus_master::drives_capable) |
                                         (value & bus_master::drives_capable));
    } else if (offset >= bus_master::table && offset < bus_master::size) {
        const unsigned shift = 8 * (offset - bus_master::table);
        table_ = ((table_ & ~(0xffu << shift)) | u32{value} << shift) & ~3u;
    }
}

void IdeChannel::stop_bus_master(bool with_error) {
    master_status_ &= static_cast<u8>(~bus_master::active);
    if (with_error) master_status_ |= bus_master::error;
}

bool IdeChannel::next_entry(bus::DmaView& memory) {
    struct {
        u32 address;
        u16 count, flags;
    } entry{};
    static_assert(sizeof entry == bus_master::entry_bytes);
    if (last_) {
        stop_bus_master(false);
        return false;
    }
    if (!memory.read({next_entry_}, std::as_writable_bytes(std::span(&entry, 1)))) {
        stop_bus_master(true);
        return false;
    }
    next_entry_ += bus_master::entry_bytes;
    address_ = entry.address & ~1u;
    left_ = entry.count & 0xfffe ? entry.count & 0xfffeu : 0x10000;
    last_ = entry.flags & bus_master::last_entry;
    return true;
}

void IdeChannel::move_data(bus::DmaView& memory) {
    IdeDrive* const drive = selected();
    while (drive && drive->dma() != IdeDrive::Dma::none && (master_status_ & bus_master::active)) {
        const bool to_memory = drive->dma() == IdeDrive::Dma::to_memory;
        if (to_memory != ((master_command_ & bus_master::to_memory) != 0)) return;
        if (left_ == 0 && !next_entry(memory)) return;
        const auto piece = drive->dma_data().first(std::min<std::size_t>(left_, drive->dma_data().size()));
        const bool moved = to_memory ? memory.write({address_}, piece) : memory.read({address_}, piece);
        if (!moved) return stop_bus_master(true);
        address_ += static_cast<u32>(piece.size());
        left_ -= static_cast<u32>(piece.size());
        drive->dma_moved(piece.size());
        // The drive has had all, and the table is used up too.
        if (left_ == 0 && last_ && !drive->wants_dma()) stop_bus_master(false);
    }
}

std::optional<IdeChannel::Wish> IdeChannel::take_request() {
    for (unsigned i = 0; i < drives_.size(); i++)
        if (drives_[i])
            if (auto request = drives_[i]->take_request()) return Wish{i, std::move(*request)};
    return {};
}

// --- state

nlohmann::json IdeChannel::save() const {
    nlohmann::json drives = nlohmann::json::array();
    for (const auto& drive : drives_) drives.push_back(drive ? drive->save() : nlohmann::json::object());
    return {{"drives", drives},
            {"second_selected", second_selected_},
            {"control", control_},
            {"line", line_},
            {"master_command", master_command_},
            {"master_status", master_status_},
            {"table", table_},
            {"next_entry", next_entry_},
            {"address", address_},
            {"left", left_},
            {"last", last_}};
}

Result<> IdeChannel::restore(const nlohmann::json& fields) {
    StateReader in(fields, "an IDE channel");
    const nlohmann::json& drives = in.part("drives");
    in.require(drives.is_array() && drives.size() == drives_.size(), "a cable has two places");
    second_selected_ = in.flag("second_selected");
    control_ = in.number<u8>("control");
    line_ = in.flag("line");
    master_command_ = in.number<u8>("master_command");
    master_status_ = in.number<u8>("master_status");
    table_ = in.number<u32>("table");
    next_entry_ = in.number<u32>("next_entry");
    address_ = in.number<u32>("address");
    left_ = in.number<u32>("left", 0x10000);
    last_ = in.flag("last");
    if (auto read = in.finish(); !read) return read;
    for (unsigned i = 0; i < drives_.size(); i++)
        if (drives_[i])
            if (auto restored = drives_[i]->restore(drives[i]); !restored) return restored;
    return {};
}

}  // namespace softmetal::devices::ide
