#include "devices/ide/atapi_cdrom.hpp"

#include "devices/ide/identification.hpp"
#include "devices/state_reader.hpp"

#include <algorithm>

namespace softmetal::devices::ide {

namespace {

u8 byte(std::span<const std::byte> packet, std::size_t at) { return std::to_integer<u8>(packet[at]); }

u64 big_endian(std::span<const std::byte> packet, std::size_t at, unsigned size) {
    u64 value = 0;
    for (unsigned i = 0; i < size; i++) value = value << 8 | byte(packet, at + i);
    return value;
}

/// Fields of an answer, big-endian, one after another.
class Answer {
 public:
    Answer& number(u64 value, unsigned size) {
        for (unsigned i = size; i-- > 0;) bytes_.push_back(static_cast<std::byte>(value >> (8 * i)));
        return *this;
    }
    Answer& zeros(std::size_t count) {
        bytes_.resize(bytes_.size() + count);
        return *this;
    }
    Answer& text(std::string_view characters, std::size_t size) {
        for (std::size_t i = 0; i < size; i++)
            bytes_.push_back(static_cast<std::byte>(i < characters.size() ? characters[i] : ' '));
        return *this;
    }
    /// Writes the length of what follows it into `width` bytes at `at`.
    Answer& seal_length(std::size_t at, unsigned width) {
        const u64 length = bytes_.size() - at - width;
        for (unsigned i = 0; i < width; i++)
            bytes_[at + i] = static_cast<std::byte>(length >> (8 * (width - 1 - i)));
        return *this;
    }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

 private:
    std::vector<std::byte> bytes_;
};

/// Minutes, seconds and frames of a block, as Red Book addresses count (MMC-5, ch. 4.2.3).
u32 minutes_seconds_frames(u64 block) {
    const u64 frames = block + 150;
    return static_cast<u32>(frames / (60 * 75) << 16 | frames / 75 % 60 << 8 | frames % 75);
}

constexpr u8 lead_out_track = 0xaa;
constexpr u8 data_track = 0x14;  // ADR 1, control 4

}  // namespace

AtapiCdrom::AtapiCdrom(std::optional<u64> bytes) : blocks_(bytes.value_or(0) / cd_block_bytes) {
    IdeDrive::reset();
}

void AtapiCdrom::reset() {
    IdeDrive::reset();
    locked_ = false;
    sense_ = sense::none;
    attention_ = sense::was_reset;
}

void AtapiCdrom::execute(u8 code) {
    namespace c = command;
    switch (code) {
        case c::packet:
            how_ = file().features & 1 ? Movement::dma : Movement::pio;
            byte_limit_ = static_cast<u16>(file().lba_mid | file().lba_high << 8);
            if (byte_limit_ == 0 || byte_limit_ == 0xffff) byte_limit_ = 0xfffe;
            byte_limit_ = std::max<u16>(byte_limit_ & 0xfffe, 2);
            file().count = reason::command;
            return want_packet();
        case c::identify_packet: return identify_packet();
        case c::identify:
        case c::read_sectors:  // ATA/ATAPI-7, ch. 6.17.5: aborted, with the signature
            show_signature();
            return fail_with(error::aborted);
        case c::set_features: {
            const bool known = file().features == feature::transfer_mode ||
                               file().features == feature::keep_over_reset ||
                               file().features == feature::defaults_at_reset;
            return known ? succeed() : fail_with(error::aborted);
        }
        case c::check_power_mode: file().count = 0xff; return succeed();
        case c::standby_immediate:
        case c::idle_immediate:
        case c::sleep:
        case c::flush: return succeed();
        default: return fail_with(error::aborted);
    }
}

/// ATA/ATAPI-7, ch. 6.18.
void AtapiCdrom::identify_packet() {
    Identification id;
    id.set(0, 0x85c0);  // a CD-ROM drive, removable, packets of 12 bytes within 50 us
    id.text(10, 20, "CD");
    id.text(23, 8, "1.0");
    id.text(27, 40, "Softmetal CD-ROM");
    id.set(49, 0x0f00);  // IORDY, LBA, DMA
    id.set(53, 0x0006);
    id.set(63, 0x0007);
    id.set(64, 0x0003);
    for (unsigned cycle_time = 65; cycle_time <= 68; cycle_time++) id.set(cycle_time, 120);
    id.set(80, 0x00f0);
    id.set(82, 1u << 4 | 1u << 9);  // PACKET and DEVICE RESET
    id.set(83, 1u << 14);
    id.set(84, 1u << 14);
    id.set(85, 1u << 4 | 1u << 9);
    id.set(87, 1u << 14);
    id.set(88, 0x203f);  // Ultra DMA 5
    id.set(93, 0x6001);
    how_ = Movement::pio;
    send(id.bytes(), Movement::pio, sector_bytes);
    file().count = 0;
}

void AtapiCdrom::block_begins(std::size_t bytes) {
    file().count = reason::to_host;
    file().lba_mid = static_cast<u8>(bytes);
    file().lba_high = static_cast<u8>(bytes >> 8);
}

void AtapiCdrom::transfer_done() { good(); }

void AtapiCdrom::good() {
    file().count = reason::command | reason::to_host;
    succeed();
}

void AtapiCdrom::check(Sense sense) {
    sense_ = sense;
    file().count = reason::command | reason::to_host;
    fail_with(static_cast<u8>(sense.key << 4 | error::aborted));
}

void AtapiCdrom::answer(std::vector<std::byte> data, std::size_t room) {
    data.resize(std::min(data.size(), room));
    if (data.empty()) return good();
    send(std::move(data), how_, byte_limit_);
}

void AtapiCdrom::packet_received(Packet p) {
    const u8 operation = byte(p, 0);
    // MMC-5, ch. 4.1.6.1: these three neither report nor clear what has happened to the drive.
    const bool always = operation == packet::inquiry || operation == packet::request_sense ||
                        operation == packet::get_event_status || operation == packet::get_configuration;
    if (attention_ && !always) {
        const Sense news = *attention_;
        attention_.reset();
        return check(news);
    }
    if (operation != packet::request_sense) sense_ = sense::none;
    dispatch(p);
}

void AtapiCdrom::dispatch(Packet p) {
    switch (byte(p, 0)) {
        case packet::test_unit_ready: return loaded() ? good() : check(sense::no_medium);
        case packet::request_sense: return request_sense(p);
        case packet::inquiry: return inquiry(p);
        case packet::start_stop_unit: return start_stop(p);
        case packet::prevent_removal: locked_ = byte(p, 4) & 1; return good();
        case packet::read_capacity: return read_capacity();
        case packet::read_10: return read_blocks(big_endian(p, 2, 4), big_endian(p, 7, 2));
        case packet::read_12: return read_blocks(big_endian(p, 2, 4), big_endian(p, 6, 4));
        case packet::read_cd: return read_cd(p);
        case packet::seek_10:
            if (!loaded()) return check(sense::no_medium);
            return big_endian(p, 2, 4) < blocks_ ? good() : check(sense::beyond_end);
        case packet::read_toc: return read_toc(p);
        case packet::get_configuration: return get_configuration(p);
        case packet::get_event_status: return get_event_status(p);
        case packet::read_disc_information: return read_disc_information(p);
        case packet::mode_sense_10: return mode_sense(p);
        case packet::mechanism_status: return answer(Answer().zeros(8).take(), big_endian(p, 8, 2));
        default: return check(sense::unknown_command);
    }
}

void AtapiCdrom::read_blocks(u64 first, u64 count) {
    if (!loaded()) return check(sense::no_medium);
    if (first > blocks_ || count > blocks_ - first) return check(sense::beyond_end);
    if (count == 0) return good();
    const std::size_t whole_blocks = byte_limit_ / cd_block_bytes * cd_block_bytes;
    const std::size_t block = how_ == Movement::dma ? cd_block_bytes
                              : whole_blocks        ? whole_blocks
                                                    : byte_limit_;
    send_stored(first * cd_block_bytes, count * cd_block_bytes, how_, block);
}

/// Only what a data disc has: user data, or nothing at all.
void AtapiCdrom::read_cd(Packet p) {
    constexpr u8 user_data = 0x10, any_field = 0xf8;
    const u8 fields = byte(p, 9) & any_field;
    if (fields == 0) return good();
    if (fields != user_data) return check(sense::invalid_field);
    read_blocks(big_endian(p, 2, 4), big_endian(p, 6, 3));
}

void AtapiCdrom::inquiry(Packet p) {
    Answer a;
    a.number(0x05800021, 4).number(31, 1).zeros(3);  // CD-ROM, removable, ATAPI
    a.text("SOFTMETL", 8).text("CD-ROM", 16).text("1.0", 4);
    answer(a.take(), big_endian(p, 3, 2));
}

/// SPC-3, ch. 4.5.3, fixed format.
void AtapiCdrom::request_sense(Packet p) {
    Sense told = sense_;
    if (told == sense::none && attention_) told = *std::exchange(attention_, std::nullopt);
    sense_ = sense::none;
    Answer a;
    a.number(0x70, 1)
        .zeros(1)
        .number(told.key, 1)
        .zeros(4)
        .number(10, 1)
        .zeros(4)
        .number(told.code, 1)
        .zeros(5);
    answer(a.take(), byte(p, 4));
}

void AtapiCdrom::start_stop(Packet p) {
    constexpr u8 start = 1, eject = 2;
    const u8 what = byte(p, 4);
    if ((what & eject) && !(what & start)) {
        if (locked_ && !open_) return check(sense::removal_prevented);
        open_ = true;
    } else if (what & eject) {
        if (open_ && blocks_ != 0) {
            media_event_ = true;
            attention_ = sense::medium_changed;
        }
        open_ = false;
    }
    good();
}

void AtapiCdrom::read_capacity() {
    if (!loaded()) return check(sense::no_medium);
    answer(Answer().number(blocks_ - 1, 4).number(cd_block_bytes, 4).take(), 8);
}

/// MMC-5, ch. 6.26: one data track in one session.
void AtapiCdrom::read_toc(Packet p) {
    if (!loaded()) return check(sense::no_medium);
    const bool msf = byte(p, 1) & 2;
    // The format is where MMC has it, or where the older SFF-8020 does.
    const u8 format = byte(p, 2) & 0xf ? byte(p, 2) & 0xf : static_cast<u8>(byte(p, 9) >> 6);
    const u8 track = byte(p, 6);
    const auto address = [&](u64 block) { return msf ? minutes_seconds_frames(block) : block; };
    Answer a;
    a.zeros(2);
    switch (format) {
        case 0:
            if (track > 1 && track != lead_out_track) return check(sense::invalid_field);
            a.number(1, 1).number(1, 1);
            if (track <= 1) a.number(data_track << 16 | 1u << 8, 4).number(address(0), 4);
            a.number(data_track << 16 | u32{lead_out_track} << 8, 4).number(address(blocks_), 4);
            break;
        case 1:
            a.number(1, 1).number(1, 1).number(data_track << 16 | 1u << 8, 4).number(address(0), 4);
            break;
        case 2: {
            a.number(1, 1).number(1, 1);
            const auto point = [&](u8 which, u32 value) {
                a.number(1, 1)
                    .number(data_track, 1)
                    .zeros(1)
                    .number(which, 1)
                    .zeros(3)
                    .zeros(1)
                    .number(value, 3);
            };
            point(0xa0, 0x010000);  // first track, disc type
            point(0xa1, 0x010000);  // last track
            point(0xa2, minutes_seconds_frames(blocks_));
            point(0x01, minutes_seconds_frames(0));
            break;
        }
        default: return check(sense::invalid_field);
    }
    answer(a.seal_length(0, 2).take(), big_endian(p, 7, 2));
}

/// MMC-5, ch. 6.5: the profiles, then what the CD-ROM profile asks for.
void AtapiCdrom::get_configuration(Packet p) {
    constexpr u16 cd_rom_profile = 0x0008;
    constexpr u8 persistent_current = 0x03, current = 0x01;
    const u8 which = byte(p, 1) & 3;  // 0 all, 1 current ones, 2 one
    const u64 first = big_endian(p, 2, 2);
    const u8 now = loaded() ? current : 0;
    Answer a;
    a.zeros(4).zeros(2).number(loaded() ? cd_rom_profile : 0, 2);
    const auto feature = [&](u16 code, u8 flags, auto body) {
        const bool wanted = which == 2 ? code == first : code >= first && (which == 0 || flags & current);
        if (!wanted) return;
        Answer content;
        body(content);
        a.number(code, 2).number(flags, 1).number(content.size(), 1);
        for (const std::byte b : content.take()) a.number(std::to_integer<u8>(b), 1);
    };
    feature(0x0000, persistent_current,
            [&](Answer& f) { f.number(cd_rom_profile, 2).number(now, 1).zeros(1); });
    feature(0x0001, persistent_current, [](Answer& f) { f.number(2, 4).zeros(4); });     // core: ATAPI
    feature(0x0003, persistent_current, [](Answer& f) { f.number(0x29, 1).zeros(3); });  // tray, lock, eject
    feature(0x0010, now,
            [](Answer& f) { f.number(cd_block_bytes, 4).number(1, 2).zeros(2); });  // random reads
    feature(0x001e, now, [](Answer& f) { f.zeros(4); });                            // CD reads
    answer(a.seal_length(0, 4).take(), big_endian(p, 7, 2));
}

/// MMC-5, ch. 6.6, by polling only.
void AtapiCdrom::get_event_status(Packet p) {
    constexpr u8 polled = 1, media_class = 4;
    if (!(byte(p, 1) & polled)) return check(sense::invalid_field);
    Answer a;
    if (!(byte(p, 4) & 1u << media_class)) {
        a.number(2, 2).number(0x80, 1).number(1u << media_class, 1);  // no such class
        return answer(a.take(), big_endian(p, 7, 2));
    }
    constexpr u8 no_change = 0, new_media = 2, tray_open = 1, medium_present = 2;
    a.number(6, 2).number(media_class, 1).number(1u << media_class, 1);
    a.number(std::exchange(media_event_, false) ? new_media : no_change, 1);
    a.number(open_ ? tray_open : loaded() ? medium_present : 0, 1).zeros(2);
    answer(a.take(), big_endian(p, 7, 2));
}

void AtapiCdrom::read_disc_information(Packet p) {
    if (!loaded()) return check(sense::no_medium);
    Answer a;
    a.zeros(2).number(0x0e, 1);  // a finished disc with a complete last session
    a.number(1, 1).number(1, 1).number(1, 1).number(1, 1).number(0x20, 1).zeros(26);
    answer(a.seal_length(0, 2).take(), big_endian(p, 7, 2));
}

/// MMC-5, ch. 7: error recovery, and capabilities and mechanical status.
void AtapiCdrom::mode_sense(Packet p) {
    constexpr u8 recovery = 0x01, capabilities = 0x2a, every = 0x3f;
    const u8 page = byte(p, 2) & 0x3f;
    if (page != recovery && page != capabilities && page != every) return check(sense::invalid_field);
    Answer a;
    a.zeros(2).number(loaded() ? 0x01 : open_ ? 0x71 : 0x70, 1).zeros(5);
    if (page != capabilities) a.number(recovery, 1).number(6, 1).zeros(1).number(5, 1).zeros(4);
    if (page != recovery) {
        constexpr u16 single_speed = 176, speed = single_speed * 32;
        a.number(capabilities, 1).number(18, 1).zeros(2);
        a.number(0x71, 1).number(0x60, 1).number(locked_ ? 0x2b : 0x29, 1).zeros(1);
        a.number(speed, 2).number(2, 2).number(512, 2).number(speed, 2).zeros(4);
    }
    answer(a.seal_length(0, 2).take(), big_endian(p, 7, 2));
}

void AtapiCdrom::save_kind(nlohmann::json& fields) const {
    fields["kind"] = "cdrom";
    fields["blocks"] = blocks_;
    fields["open"] = open_;
    fields["locked"] = locked_;
    fields["media_event"] = media_event_;
    fields["sense"] = {sense_.key, sense_.code};
    fields["has_attention"] = attention_.has_value();
    const Sense news = attention_.value_or(sense::none);
    fields["attention"] = {news.key, news.code};
    fields["packet_by_dma"] = how_ == Movement::dma;
    fields["byte_limit"] = byte_limit_;
}

void AtapiCdrom::restore_kind(StateReader& in) {
    in.require(in.number<u64>("blocks") == blocks_, "the disc had another size");
    open_ = in.flag("open");
    locked_ = in.flag("locked");
    media_event_ = in.flag("media_event");
    std::array<u8, 2> pair{};
    in.numbers<u8>("sense", pair);
    sense_ = {pair[0], pair[1]};
    in.numbers<u8>("attention", pair);
    attention_.reset();
    if (in.flag("has_attention")) attention_ = Sense{pair[0], pair[1]};
    how_ = in.flag("packet_by_dma") ? Movement::dma : Movement::pio;
    byte_limit_ = in.number<u16>("byte_limit");
    in.require(byte_limit_ == 0 || byte_limit_ >= 2, "its byte count is odd");
}

}  // namespace softmetal::devices::ide
