#include "devices/floppy/floppy_chip.hpp"

#include "devices/state_reader.hpp"

#include <algorithm>

namespace softmetal::devices::floppy {

// --- registers

u8 FloppyChip::read(unsigned offset) {
    switch (offset) {
        case reg::status_a:
        case reg::status_b: return 0;
        case reg::digital_output: return output_;
        case reg::tape_drive: return tape_;
        case reg::main_status: return main_status();
        case reg::fifo: return read_fifo();
        default: return 0xff;
    }
}

void FloppyChip::write(unsigned offset, u8 value) {
    switch (offset) {
        case reg::digital_output: {
            const bool reset_ends = !(output_ & output::not_reset) && (value & output::not_reset);
            const bool reset_begins = (output_ & output::not_reset) && !(value & output::not_reset);
            output_ = value;
            if (reset_begins) {
                phase_ = Phase::command;
                received_ = 0;
                interrupt_ = false;
                stale_ = stale_ || requested_;
            }
            if (reset_ends)
                for (unsigned drive = 0; drive < drives_addressable; drive++) raise(status0::polling, drive);
            break;
        }
        case reg::tape_drive: tape_ = value & 3; break;
        case reg::data_rate:
            rate_ = value & rate;
            if (!(value & software_reset)) break;
            phase_ = Phase::command;
            received_ = 0;
            stale_ = stale_ || requested_;
            for (unsigned drive = 0; drive < drives_addressable; drive++) raise(status0::polling, drive);
            break;
        case reg::fifo: write_fifo(value); break;
        default: break;
    }
}

void FloppyChip::reset() {
    const bool under_way = requested_;
    *this = FloppyChip(drives_);
    requested_ = stale_ = under_way;
}

u8 FloppyChip::main_status() const {
    if (!(output_ & output::not_reset)) return 0;
    switch (phase_) {
        case Phase::command:
            return static_cast<u8>(main_status::request | (received_ ? main_status::command_busy : 0));
        case Phase::execution: return main_status::command_busy;
        case Phase::result: break;
    }
    return main_status::request | main_status::to_host | main_status::command_busy;
}

u8 FloppyChip::read_digital_input() const {
    const unsigned drive = output_ & output::drive;
    const bool motor = output_ & (0x10u << drive);
    return motor && (drive >= drive_count || !drives_[drive] || changed_[drive]) ? disk_changed : 0;
}

/// Parameter bytes behind the command's own.
unsigned FloppyChip::parameters_of(u8 code) {
    switch (code & command::opcode) {
        case command::read_track:
        case command::write:
        case command::read:
        case command::write_deleted:
        case command::read_deleted: return 8;
        case command::format: return 5;
        case command::configure: return 3;
        case command::specify:
        case command::seek: return 2;
        case command::sense_drive:
        case command::recalibrate:
        case command::read_id:
        case command::perpendicular: return 1;
        default: return 0;
    }
}

void FloppyChip::write_fifo(u8 value) {
    if (phase_ != Phase::command || !(output_ & output::not_reset)) return;
    command_[received_++] = value;
    if (received_ <= parameters_of(command_[0])) return;
    received_ = 0;
    execute();
}

u8 FloppyChip::read_fifo() {
    if (phase_ != Phase::result) return 0;
    interrupt_ = false;
    const u8 value = result_[result_read_++];
    if (result_read_ == result_size_) phase_ = Phase::command;
    return value;
}

void FloppyChip::result(std::initializer_list<u8> bytes) {
    std::ranges::copy(bytes, result_.begin());
    result_size_ = static_cast<unsigned>(bytes.size());
    result_read_ = 0;
    phase_ = Phase::result;
}

void FloppyChip::raise(u8 status0, unsigned drive) {
    sense_[drive] = static_cast<u8>(status0 | drive);
    interrupt_ = true;
}

// --- commands

void FloppyChip::execute() {
    const unsigned drive = command_[1] & 3;
    switch (command_[0] & command::opcode) {
        case command::specify:
            step_rate_ = command_[1];
            head_load_ = command_[2];
            return;
        case command::sense_drive: return sense_drive();
        case command::recalibrate: return seek(drive, 0, true);
        case command::seek: return seek(drive, command_[2], false);
        case command::sense_interrupt: return sense_interrupt();
        case command::read_id: return read_id();
        case command::read:
        case command::read_deleted:
        case command::read_track:
        case command::write:
        case command::write_deleted: return begin_transfer();
        case command::format: return format_track();
        case command::version: return result({0x90});
        case command::part_id: return result({0x41});
        case command::perpendicular: perpendicular_ = command_[1]; return;
        case command::configure: std::copy_n(command_.begin() + 1, 3, configuration_.begin()); return;
        case command::lock:
            locked_ = command_[0] & 0x80;
            return result({static_cast<u8>(locked_ ? 0x10 : 0)});
        case command::dump_registers:
            return result({cylinder_[0], cylinder_[1], cylinder_[2], cylinder_[3], step_rate_, head_load_,
                           command_[6], static_cast<u8>((locked_ ? 0x80 : 0) | (perpendicular_ & 0x7f)),
                           configuration_[1], configuration_[2]});
        default: return result({status0::invalid});
    }
}

void FloppyChip::seek(unsigned drive, u8 cylinder, bool recalibrates) {
    const bool present = drive < drive_count && drives_[drive];
    if (!present && recalibrates)  // track 0 never comes
        return raise(status0::abnormal | status0::seek_end | status0::equipment_check, drive);
    cylinder_[drive] = cylinder;
    changed_[drive] = !present;
    const u8 head = recalibrates ? u8{0} : command_[1] & status0::head;
    raise(static_cast<u8>(status0::seek_end | head), drive);
}

/// One drive's news at a time; without any the command is invalid.
void FloppyChip::sense_interrupt() {
    interrupt_ = false;
    const auto news = std::ranges::find_if(sense_, [](u8 status) { return status != 0; });
    if (news == sense_.end()) return result({status0::invalid});
    const u8 status = *news;
    *news = 0;
    result({status, cylinder_[status & 3]});
}

void FloppyChip::sense_drive() {
    const unsigned drive = command_[1] & 3;
    u8 status = static_cast<u8>(drive | (command_[1] & status3::head) | status3::always);
    if (cylinder_[drive] == 0) status |= status3::track_0;
    if (drive < drive_count && drives_[drive]) {
        if (drives_[drive]->format.heads == 2) status |= status3::two_sided;
        if (drives_[drive]->write_protected) status |= status3::write_protected;
    }
    result({status});
}

const Drive* FloppyChip::medium() const {
    return drive_ < drive_count && drives_[drive_] ? &*drives_[drive_] : nullptr;
}

/// A track that was written at another rate, or is not there at all, has no address marks.
u8 FloppyChip::unreadable() const {
    const Drive* const drive = medium();
    if (!drive || drive->format.rate != rate_ || cylinder_[drive_] >= drive->format.cylinders ||
        at_.head >= drive->format.heads)
        return status1::missing_address_mark;
    return 0;
}

void FloppyChip::read_id() {
    drive_ = command_[1] & 3;
    at_ = {cylinder_[drive_], static_cast<u8>(command_[1] >> 2 & 1), 1};
    const u8 wrong = unreadable();
    end_transfer(wrong ? status0::abnormal : u8{0}, wrong, 0);
}

void FloppyChip::begin_transfer() {
    drive_ = command_[1] & 3;
    at_ = {command_[2], static_cast<u8>(command_[3] & 1), command_[4]};
    const u8 opcode = command_[0] & command::opcode;
    writes_ = opcode == command::write || opcode == command::write_deleted;
    terminal_ = false;
    if (opcode == command::read_track) at_.sector = 1;
    if (const u8 wrong = unreadable()) return end_transfer(status0::abnormal, wrong, 0);
    const Drive& drive = *medium();
    if (at_.cylinder != cylinder_[drive_])
        return end_transfer(status0::abnormal, status1::no_data, status2::wrong_cylinder);
    if (at_.sector == 0 || at_.sector > drive.format.sectors || command_[5] != sector_size_code)
        return end_transfer(status0::abnormal, status1::no_data, 0);
    if (writes_ && drive.write_protected) return end_transfer(status0::abnormal, status1::not_writable, 0);
    phase_ = Phase::execution;
}

/// From here to the end of the track, or of the cylinder where both sides are meant; at least one.
u64 FloppyChip::sectors_ahead() const {
    const u64 last = std::clamp<u64>(command_[6], at_.sector, medium()->format.sectors);
    const bool both = command_[0] & command::multi_track && at_.head == 0 && medium()->format.heads == 2;
    return last - at_.sector + 1 + (both ? last : 0);
}

u64 FloppyChip::offset_of(Address a) const {
    const Format& f = medium()->format;
    return ((u64{a.cylinder} * f.heads + a.head) * f.sectors + a.sector - 1) * sector_bytes;
}

/// The address behind so many sectors, as the result phase names it (82078 datasheet, table 6-2).
void FloppyChip::step(u64 sectors) {
    for (; sectors != 0; sectors--) {
        if (at_.sector < std::max(command_[6], at_.sector) && at_.sector < medium()->format.sectors) {
            at_.sector++;
            continue;
        }
        at_.sector = 1;
        const bool both = command_[0] & command::multi_track;
        if (both && at_.head == 0) {
            at_.head = 1;
        } else {
            at_.cylinder++;
            if (both) at_.head = 0;
        }
    }
}

void FloppyChip::format_track() {
    drive_ = command_[1] & 3;
    at_ = {cylinder_[drive_], static_cast<u8>(command_[1] >> 2 & 1), 1};
    writes_ = true;
    if (const u8 wrong = unreadable()) return end_transfer(status0::abnormal, wrong, 0);
    if (medium()->write_protected) return end_transfer(status0::abnormal, status1::not_writable, 0);
    if (command_[2] != sector_size_code || command_[3] != medium()->format.sectors)
        return end_transfer(status0::abnormal, status1::no_data, 0);  // a format that the image cannot have
    phase_ = Phase::execution;
}

void FloppyChip::end_transfer(u8 status0, u8 status1, u8 status2) {
    const u8 where = static_cast<u8>((command_[1] & status0::head) | drive_);
    result({static_cast<u8>(status0 | where), status1, status2, at_.cylinder, at_.head, at_.sector,
            sector_size_code});
    interrupt_ = true;
}

// --- data

std::optional<FloppyChip::Request> FloppyChip::take_request(bus::IsaDmaChannel& dma) {
    if (phase_ != Phase::execution || requested_) return {};
    if ((command_[0] & command::opcode) == command::format) {
        // The sectors' identities; an image has only those it always has.
        std::vector<std::byte> identities(4u * medium()->format.sectors);
        static_cast<void>(dma.from_memory(identities));
        requested_ = true;
        terminal_ = true;
        return Request{drive_, true, offset_of(at_),
                       std::vector<std::byte>(std::size_t{medium()->format.sectors} * sector_bytes,
                                              static_cast<std::byte>(command_[5]))};
    }
    std::vector<std::byte> data(sectors_ahead() * sector_bytes);
    if (writes_) {
        const auto moved = dma.from_memory(data);
        terminal_ = moved.terminal_count;
        const std::size_t whole = (moved.bytes + sector_bytes - 1) / sector_bytes * sector_bytes;
        if (whole == 0) {
            end_transfer(status0::abnormal, status1::overrun, 0);
            return {};
        }
        // The rest of a sector that came in part is zeros.
        std::fill(data.begin() + static_cast<std::ptrdiff_t>(moved.bytes), data.end(), std::byte{0});
        data.resize(whole);
    }
    requested_ = true;
    return Request{drive_, writes_, offset_of(at_), std::move(data)};
}

void FloppyChip::finish_request(bus::BlockStatus outcome, std::span<const std::byte> data,
                                bus::IsaDmaChannel& dma) {
    requested_ = false;
    if (std::exchange(stale_, false) || phase_ != Phase::execution) return;
    if (outcome != bus::BlockStatus::ok) return end_transfer(status0::abnormal, status1::data_error, 0);
    std::size_t bytes = data.size();
    if (!writes_) {
        const auto moved = dma.to_memory(data);
        bytes = moved.bytes;
        terminal_ = moved.terminal_count;
    }
    step((bytes + sector_bytes - 1) / sector_bytes);
    if (terminal_) return end_transfer(0, 0, 0);
    // Nobody said that it was enough: the controller went on to the cylinder's end, or lost data.
    const u8 why = bytes == data.size() ? status1::end_of_cylinder : status1::overrun;
    end_transfer(status0::abnormal, why, 0);
}

// --- state

nlohmann::json FloppyChip::save() const {
    nlohmann::json fields{{"output", output_},
                          {"tape", tape_},
                          {"rate", rate_},
                          {"interrupt", interrupt_},
                          {"phase", static_cast<unsigned>(phase_)},
                          {"command", command_},
                          {"received", received_},
                          {"result", result_},
                          {"result_size", result_size_},
                          {"result_read", result_read_},
                          {"cylinder", cylinder_},
                          {"changed", changed_},
                          {"sense", sense_},
                          {"configuration", configuration_},
                          {"step_rate", step_rate_},
                          {"head_load", head_load_},
                          {"perpendicular", perpendicular_},
                          {"locked", locked_},
                          {"drive", drive_},
                          {"at", {at_.cylinder, at_.head, at_.sector}},
                          {"writes", writes_}};
    for (unsigned i = 0; i < drive_count; i++)
        fields["media"].push_back(drives_[i] ? drives_[i]->format.bytes : 0);
    return fields;
}

void FloppyChip::restore(StateReader& in) {
    output_ = in.number<u8>("output");
    tape_ = in.number<u8>("tape");
    rate_ = in.number<u8>("rate", rate);
    interrupt_ = in.flag("interrupt");
    phase_ = static_cast<Phase>(in.number<u8>("phase", static_cast<u8>(Phase::result)));
    in.numbers<u8>("command", command_);
    received_ = in.number<u8>("received", static_cast<u8>(command_.size() - 1));
    in.numbers<u8>("result", result_);
    result_size_ = in.number<u8>("result_size", static_cast<u8>(result_.size()));
    result_read_ = in.number<u8>("result_read", static_cast<u8>(result_.size()));
    in.require(phase_ != Phase::result || result_read_ < result_size_, "no result is left to read");
    in.require(received_ <= parameters_of(command_[0]), "the command is complete");
    in.numbers<u8>("cylinder", cylinder_);
    const nlohmann::json& changed = in.part("changed");
    in.require(changed.is_array() && changed.size() == changed_.size() &&
                   std::ranges::all_of(changed, [](const auto& flag) { return flag.is_boolean(); }),
               "it has four drives");
    if (in.good()) std::ranges::copy(changed, changed_.begin());
    in.numbers<u8>("sense", sense_);
    in.numbers<u8>("configuration", configuration_);
    step_rate_ = in.number<u8>("step_rate");
    head_load_ = in.number<u8>("head_load");
    perpendicular_ = in.number<u8>("perpendicular");
    locked_ = in.flag("locked");
    drive_ = in.number<u8>("drive", drives_addressable - 1);
    std::array<u8, 3> at{};
    in.numbers<u8>("at", at);
    at_ = {at[0], at[1], at[2]};
    writes_ = in.flag("writes");
    std::array<u64, drive_count> media{};
    in.numbers<u64>("media", media);
    for (unsigned i = 0; i < drive_count; i++)
        in.require(media[i] == (drives_[i] ? drives_[i]->format.bytes : 0), "a disk was another one then");
    const Drive* const present = medium();
    in.require(phase_ != Phase::execution ||
                   (present && at_.cylinder < present->format.cylinders && at_.head < present->format.heads &&
                    at_.sector >= 1 && at_.sector <= present->format.sectors),
               "its head is beside the disk");
}

}  // namespace softmetal::devices::floppy
