#include "machine/boot/kernel_image.hpp"

#include "base/address.hpp"
#include "base/bits.hpp"
#include "machine/boot/file_bytes.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace softmetal::machine {
namespace {

constexpr u16 boot_flag_value = 0xaa55;
constexpr u32 magic_value = 0x53726448;    // "HdrS"
constexpr u16 oldest_version = 0x0206;     // the first that says how long its command line may be
constexpr u16 placement_version = 0x020a;  // from here on: preferred_address and init_size
constexpr u16 entry_64_version = 0x020c;   // from here on: extended_load_flags
constexpr u8 loaded_high = 1;              // load_flags: the protected-mode code goes above 1 MiB
constexpr u16 kernel_64 = 1;               // extended_load_flags: has the 64-bit entry at 0x200
constexpr u64 sector = 512;
constexpr u64 paragraph = 16;
constexpr u64 entry_offset = 0x200;
constexpr u64 default_setup_sectors = 4;  // what a zero stands for
constexpr u64 lowest_load_address = 0x10'0000;
constexpr u64 highest_init_end = u64{1} << 32;  // the boot page tables map 4 GiB

}  // namespace

bool has_setup_header(std::span<const std::byte> file) {
    namespace h = setup_header;
    return file.size() >= h::end_of_placement && field<u16>(file, h::boot_flag) == boot_flag_value &&
           field<u32>(file, h::magic) == magic_value;
}

Result<KernelImage> parse_kernel_image(std::span<const std::byte> file) {
    namespace h = setup_header;
    if (!has_setup_header(file)) return fail("the kernel is not a Linux bzImage (no setup header found)");

    const u16 version = field<u16>(file, h::version);
    if (version < oldest_version)
        return fail(fmt::format("the kernel's boot protocol {}.{:02} is too old: 2.06 or newer is needed",
                                version >> 8, version & 0xff));
    if (!(field<u8>(file, h::load_flags) & loaded_high))
        return fail("the kernel is a zImage: a bzImage is needed");
    const bool has_placement = version >= placement_version;
    const u32 required_end = has_placement ? h::end_of_placement : h::end_of_required;

    const u64 setup_sectors = field<u8>(file, h::setup_sectors);
    const u64 payload_start = (1 + (setup_sectors ? setup_sectors : default_setup_sectors)) * sector;
    // The jump over the header is "eb <distance>", counted from behind it.
    const u64 header_end = h::magic + (field<u16>(file, h::jump) >> 8);
    if (header_end < required_end || header_end > h::end_in_boot_params)
        return fail("the kernel's setup header has an impossible length");
    const u64 payload_size = u64{field<u32>(file, h::payload_paragraphs)} * paragraph;
    // Some builders leave the last paragraph short.
    const u64 rounded_file = align_up(file.size(), paragraph);
    if (payload_size <= entry_offset || rounded_file < payload_start + payload_size)
        return fail(fmt::format("the kernel is truncated: {} bytes, but its header promises {}", file.size(),
                                payload_start + std::max(payload_size, entry_offset + 1)));

    KernelImage image;
    image.setup_header = file.subspan(h::start, header_end - h::start);
    image.payload = file.subspan(payload_start, std::min(payload_size, file.size() - payload_start));
    image.load_address = has_placement ? field<u64>(file, h::preferred_address) : lowest_load_address;
    image.init_size = std::max<u64>(has_placement ? field<u32>(file, h::init_size) : 0, image.payload.size());
    image.initrd_address_max = field<u32>(file, h::initrd_address_max);
    image.command_line_size = field<u32>(file, h::command_line_size);
    if (version >= entry_64_version && field<u16>(file, h::extended_load_flags) & kernel_64)
        image.entry_mode = EntryMode::long_mode;

    if (image.load_address < lowest_load_address || image.load_address % page_size != 0 ||
        image.load_address >= highest_init_end || image.load_address + image.init_size > highest_init_end)
        return fail(
            fmt::format("the kernel asks to be loaded at {:#x} with {:#x} bytes to work in, which "
                        "is not between 1 MiB and 4 GiB",
                        image.load_address, image.init_size));
    return image;
}

}  // namespace softmetal::machine
