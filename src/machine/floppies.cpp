#include "machine/floppies.hpp"

#include "devices/floppy/floppy_medium.hpp"

#include <fmt/format.h>

namespace softmetal::machine {
namespace {

namespace floppy = devices::floppy;

constexpr u8 drive_types = 0x10, equipment = 0x14;
constexpr u8 has_floppies = 1u << 0, second_floppy = 1u << 6;

}  // namespace

bool is_floppy_size(u64 bytes) { return floppy::exact_format_of(bytes).has_value(); }

Result<> check_floppies(std::span<bus::BlockStore* const> disks) {
    if (disks.size() > floppy::drive_count)
        return fail(
            fmt::format("a machine has at most {} floppy drives, not {}", floppy::drive_count, disks.size()));
    for (const bus::BlockStore* disk : disks)
        if (!floppy::format_of(disk->size_bytes()))
            return fail(
                fmt::format("an image of {} bytes is larger than any floppy disk: they have up to 2949120",
                            disk->size_bytes()));
    return {};
}

void describe_floppies_in_cmos(std::span<u8> cmos, std::span<bus::BlockStore* const> disks) {
    for (std::size_t i = 0; i < disks.size(); i++)
        cmos[drive_types] |=
            static_cast<u8>(floppy::format_of(disks[i]->size_bytes())->cmos_type << (i == 0 ? 4 : 0));
    if (disks.empty()) return;
    cmos[equipment] |= has_floppies;
    if (disks.size() > 1) cmos[equipment] |= second_floppy;
}

}  // namespace softmetal::machine
