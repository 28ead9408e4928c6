#include "devices/ide/ata_disk.hpp"

#include "devices/ide/identification.hpp"
#include "devices/state_reader.hpp"

#include <algorithm>

namespace softmetal::devices::ide {

AtaDisk::AtaDisk(u64 sectors, bool read_only, std::string serial)
    : sectors_(sectors), read_only_(read_only), serial_(std::move(serial)), geometry_(default_geometry()) {
    IdeDrive::reset();
}

AtaDisk::Geometry AtaDisk::default_geometry() const {
    constexpr u64 most_cylinders = 16383;
    Geometry g;
    g.cylinders = static_cast<u16>(std::clamp<u64>(sectors_ / (u64{g.heads} * g.sectors), 1, most_cylinders));
    return g;
}

/// Settings survive a reset, as after SET FEATURES 66h; all systems set them anew anyway.
void AtaDisk::reset() { IdeDrive::reset(); }

void AtaDisk::execute(u8 code) {
    namespace c = command;
    if ((code & 0xf0) == c::recalibrate) return succeed();
    switch (code) {
        case c::read_sectors:
        case c::read_sectors_no_retry: return read_sectors(false, Movement::pio, false);
        case c::read_sectors_ext: return read_sectors(true, Movement::pio, false);
        case c::read_multiple: return read_sectors(false, Movement::pio, true);
        case c::read_multiple_ext: return read_sectors(true, Movement::pio, true);
        case c::read_dma:
        case c::read_dma_no_retry: return read_sectors(false, Movement::dma, false);
        case c::read_dma_ext: return read_sectors(true, Movement::dma, false);
        case c::write_sectors:
        case c::write_sectors_no_retry: return write_sectors(false, Movement::pio, false);
        case c::write_sectors_ext: return write_sectors(true, Movement::pio, false);
        case c::write_multiple: return write_sectors(false, Movement::pio, true);
        case c::write_multiple_ext: return write_sectors(true, Movement::pio, true);
        case c::write_dma:
        case c::write_dma_no_retry: return write_sectors(false, Movement::dma, false);
        case c::write_dma_ext: return write_sectors(true, Movement::dma, false);
        case c::verify:
        case c::verify_no_retry: return verify(false);
        case c::verify_ext: return verify(true);
        case c::seek: return seek();
        case c::initialize_parameters: return initialize_parameters();
        case c::set_multiple: return set_multiple();
        case c::set_features: return set_features();
        case c::read_native_max: return report_native_maximum(false);
        case c::read_native_max_ext: return report_native_maximum(true);
        case c::check_power_mode: file().count = 0xff; return succeed();  // active
        case c::standby_immediate:
        case c::idle_immediate:
        case c::standby:
        case c::idle:
        case c::sleep: return succeed();
        case c::flush:
        case c::flush_ext: return read_only_ ? succeed() : flush();
        case c::identify: return identify();
        default: return fail_with(error::aborted);
    }
}

std::optional<AtaDisk::Range> AtaDisk::addressed(bool wide) {
    const File& f = file();
    Range range;
    u64 low = f.lba_low | u64{f.lba_mid} << 8 | u64{f.lba_high} << 16;
    if (wide) {
        range.first =
            low | u64{f.before.lba_low} << 24 | u64{f.before.lba_mid} << 32 | u64{f.before.lba_high} << 40;
        range.count = f.count | u64{f.before.count} << 8;
        if (range.count == 0) range.count = 0x10000;
    } else {
        const u64 head = f.device & device::head;
        range.count = f.count == 0 ? 256 : f.count;
        if (f.device & device::lba) {
            range.first = low | head << 24;
        } else {
            const u64 cylinder = low >> 8;
            if (f.lba_low == 0 || f.lba_low > geometry_.sectors || head >= geometry_.heads) {
                fail_with(error::id_not_found);
                return {};
            }
            range.first = (cylinder * geometry_.heads + head) * geometry_.sectors + f.lba_low - 1;
        }
    }
    if (range.first >= sectors_ || range.count > sectors_ - range.first) {
        fail_with(error::id_not_found);
        return {};
    }
    return range;
}

void AtaDisk::read_sectors(bool wide, Movement how, bool multiple) {
    if (multiple && multiple_ == 0) return fail_with(error::aborted);
    const auto range = addressed(wide);
    if (!range) return;
    send_stored(range->first * sector_bytes, range->count * sector_bytes, how,
                multiple ? u64{multiple_} * sector_bytes : sector_bytes);
}

void AtaDisk::write_sectors(bool wide, Movement how, bool multiple) {
    if (read_only_ || (multiple && multiple_ == 0)) return fail_with(error::aborted);
    const auto range = addressed(wide);
    if (!range) return;
    receive_stored(range->first * sector_bytes, range->count * sector_bytes, how,
                   multiple ? u64{multiple_} * sector_bytes : sector_bytes, !write_cache_);
}

/// A PIO read has said all it has to with its last block's interrupt (ATA/ATAPI-7, ch. 5.2: PIO data-in).
void AtaDisk::transfer_done() {
    const bool interrupts = interrupt();
    succeed();
    if (pio_to_host() && !interrupts) take_interrupt_back();
}

void AtaDisk::verify(bool wide) {
    if (addressed(wide)) succeed();
}

void AtaDisk::seek() {
    if (addressed(false)) succeed();
}

void AtaDisk::set_multiple() {
    const u8 count = file().count;
    if (count > multiple_max || (count & (count - 1)) != 0) return fail_with(error::aborted);
    multiple_ = count;
    succeed();
}

void AtaDisk::initialize_parameters() {
    const u8 sectors = file().count;
    if (sectors == 0) return fail_with(error::aborted);
    geometry_.sectors = sectors;
    geometry_.heads = static_cast<u8>((file().device & device::head) + 1);
    const u64 cylinders = sectors_ / (u64{geometry_.heads} * sectors);
    geometry_.cylinders = static_cast<u16>(std::clamp<u64>(cylinders, 1, 0xffff));
    succeed();
}

void AtaDisk::set_features() {
    switch (file().features) {
        case feature::write_cache_on: write_cache_ = true; return succeed();
        case feature::write_cache_off:
            write_cache_ = false;
            return read_only_ ? succeed() : flush();  // what was written so far is safe from here on
        case feature::transfer_mode: return set_transfer_mode();
        case feature::look_ahead_on:
        case feature::look_ahead_off:
        case feature::keep_over_reset:
        case feature::defaults_at_reset: return succeed();
        default: return fail_with(error::aborted);
    }
}

void AtaDisk::set_transfer_mode() {
    const u8 kind = file().count >> 3, mode = file().count & 7;
    constexpr u8 pio_default = 0, pio_flow_control = 1, multiword = 4, ultra = 8;
    if (kind == ultra && mode <= 5) {
        ultra_mode_ = mode;
        multiword_mode_ = none_selected;
    } else if (kind == multiword && mode <= 2) {
        multiword_mode_ = mode;
        ultra_mode_ = none_selected;
    } else if (kind != pio_default && !(kind == pio_flow_control && mode <= 4)) {
        return fail_with(error::aborted);
    }
    succeed();
}

void AtaDisk::report_native_maximum(bool wide) {
    const u64 last = std::min<u64>(sectors_ - 1, wide ? ~u64{0} : 0xfff'ffff);
    File& f = file();
    f.lba_low = static_cast<u8>(last);
    f.lba_mid = static_cast<u8>(last >> 8);
    f.lba_high = static_cast<u8>(last >> 16);
    if (wide) {
        f.before.lba_low = static_cast<u8>(last >> 24);
        f.before.lba_mid = static_cast<u8>(last >> 32);
        f.before.lba_high = static_cast<u8>(last >> 40);
    } else {
        f.device = static_cast<u8>((f.device & 0xf0) | (last >> 24 & device::head));
    }
    succeed();
}

/// ATA/ATAPI-7, ch. 6.17.
void AtaDisk::identify() {
    const Geometry defaults = default_geometry();
    Identification id;
    id.set(0, 0x0040);  // a fixed disk
    id.set(1, defaults.cylinders);
    id.set(3, defaults.heads);
    id.set(6, defaults.sectors);
    id.text(10, 20, serial_);
    id.text(23, 8, "1.0");
    id.text(27, 40, "Softmetal disk");
    id.set(47, 0x8000 | multiple_max);
    id.set(49, 0x0f00);  // IORDY, LBA, DMA
    id.set(50, 0x4000);
    id.set(53, 0x0007);  // words 54 to 58, 64 to 70 and 88 mean something
    id.set(54, geometry_.cylinders);
    id.set(55, geometry_.heads);
    id.set(56, geometry_.sectors);
    const u32 in_cylinders = u32{geometry_.cylinders} * geometry_.heads * geometry_.sectors;
    id.set(57, static_cast<u16>(in_cylinders));
    id.set(58, static_cast<u16>(in_cylinders >> 16));
    if (multiple_ != 0) id.set(59, static_cast<u16>(0x100 | multiple_));
    const auto short_count = static_cast<u32>(std::min<u64>(sectors_, 0xfff'ffff));
    id.set(60, static_cast<u16>(short_count));
    id.set(61, static_cast<u16>(short_count >> 16));
    id.set(63, static_cast<u16>(0x07 | (multiword_mode_ < 3 ? 0x100u << multiword_mode_ : 0)));
    id.set(64, 0x03);  // PIO modes 3 and 4
    for (unsigned cycle_time = 65; cycle_time <= 68; cycle_time++) id.set(cycle_time, 120);
    id.set(80, 0x00f0);  // ATA/ATAPI-4 to 7
    constexpr u16 write_cache = 1u << 5, look_ahead = 1u << 6, nop_none = 0;
    constexpr u16 always = 1u << 14, flush_cache = 1u << 12, flush_cache_ext = 1u << 13, lba48 = 1u << 10;
    id.set(82, write_cache | look_ahead | nop_none);
    id.set(83, always | flush_cache | flush_cache_ext | lba48);
    id.set(84, always);
    id.set(85, static_cast<u16>((write_cache_ ? write_cache : 0) | look_ahead));
    id.set(86, flush_cache | flush_cache_ext | lba48);
    id.set(87, always);
    id.set(88, static_cast<u16>(0x3f | (ultra_mode_ < 6 ? 0x100u << ultra_mode_ : 0)));
    id.set(93, 0x6001);  // a cable with 80 wires
    for (unsigned i = 0; i < 4; i++) id.set(100 + i, static_cast<u16>(sectors_ >> (16 * i)));
    send(id.bytes(), Movement::pio, sector_bytes);
}

void AtaDisk::save_kind(nlohmann::json& fields) const {
    fields["kind"] = "disk";
    fields["sectors"] = sectors_;
    fields["geometry"] = {geometry_.cylinders, geometry_.heads, geometry_.sectors};
    fields["multiple"] = multiple_;
    fields["write_cache"] = write_cache_;
    fields["ultra_mode"] = ultra_mode_;
    fields["multiword_mode"] = multiword_mode_;
}

void AtaDisk::restore_kind(StateReader& in) {
    in.require(in.number<u64>("sectors") == sectors_, "the disk had another size");
    std::array<u16, 3> geometry{};
    in.numbers<u16>("geometry", geometry);
    in.require(geometry[1] >= 1 && geometry[1] <= 16 && geometry[2] >= 1 && geometry[2] <= 255,
               "a disk has no such geometry");
    geometry_ = {geometry[0], static_cast<u8>(geometry[1]), static_cast<u8>(geometry[2])};
    multiple_ = in.number<u8>("multiple", multiple_max);
    write_cache_ = in.flag("write_cache");
    ultra_mode_ = in.number<u8>("ultra_mode");
    multiword_mode_ = in.number<u8>("multiword_mode");
}

}  // namespace softmetal::devices::ide
