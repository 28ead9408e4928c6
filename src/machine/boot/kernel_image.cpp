#include "machine/boot/kernel_image.hpp"

#include "base/address.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace softmetal::machine {
namespace {

constexpr u16 boot_flag_value = 0xaa55;
constexpr u32 magic_value = 0x53726448;  // "HdrS"
constexpr u16 oldest_version = 0x020c;   // the first with xloadflags' 64-bit entry
constexpr u8 loaded_high = 1;            // load_flags: the protected-mode code goes above 1 MiB
constexpr u16 kernel_64 = 1;             // extended_load_flags: has the 64-bit entry at 0x200
constexpr u64 sector = 512;
constexpr u64 paragraph = 16;
constexpr u64 entry_offset = 0x200;
constexpr u64 default_setup_sectors = 4;  // what a zero stands for
constexpr u64 lowest_load_address = 0x10'0000;
constexpr u64 highest_init_end = u64{1} << 32;  // the boot page tables map 4 GiB

template <class T>
T field(std::span<const std::byte> file, u32 offset) {
    T value;
    std::memcpy(&value, file.data() + offset, sizeof value);
    return value;
}

}  // namespace

Result<KernelImage> parse_kernel_image(std::span<const std::byte> file) {
    namespace h = setup_header;
    if (file.size() < h::end_of_required || field<u16>(file, h::boot_flag) != boot_flag_value ||
        field<u32>(file, h::magic) != magic_value)
        return fail("the kernel is not a Linux bzImage (no setup header found)");

    const u16 version = field<u16>(file, h::version);
    if (version < oldest_version)
        return fail(fmt::format("the kernel's boot protocol {}.{:02} is too old: 2.12 or newer is needed",
                                version >> 8, version & 0xff));
    if (!(field<u8>(file, h::load_flags) & loaded_high))
        return fail("the kernel is a zImage: a bzImage is needed");
    if (!(field<u16>(file, h::extended_load_flags) & kernel_64))
        return fail("the kernel has no 64-bit entry point: an x86-64 kernel is needed");

    const u64 setup_sectors = field<u8>(file, h::setup_sectors);
    const u64 payload_start = (1 + (setup_sectors ? setup_sectors : default_setup_sectors)) * sector;
    // The jump over the header is "eb <distance>", counted from behind it.
    const u64 header_end = h::magic + (field<u16>(file, h::jump) >> 8);
    if (header_end < h::end_of_required || header_end > h::end_in_boot_params)
        return fail("the kernel's setup header has an impossible length");
    const u64 payload_size = u64{field<u32>(file, h::payload_paragraphs)} * paragraph;
    if (payload_size <= entry_offset || file.size() < payload_start + payload_size)
        return fail(fmt::format("the kernel is truncated: {} bytes, but its header promises {}", file.size(),
                                payload_start + std::max(payload_size, entry_offset + 1)));

    KernelImage image;
    image.setup_header = file.subspan(h::start, header_end - h::start);
    image.payload = file.subspan(payload_start, payload_size);
    image.load_address = field<u64>(file, h::preferred_address);
    image.init_size = std::max<u64>(field<u32>(file, h::init_size), image.payload.size());
    image.initrd_address_max = field<u32>(file, h::initrd_address_max);
    image.command_line_size = field<u32>(file, h::command_line_size);

    if (image.load_address < lowest_load_address || image.load_address % page_size != 0 ||
        image.load_address >= highest_init_end || image.load_address + image.init_size > highest_init_end)
        return fail(
            fmt::format("the kernel asks to be loaded at {:#x} with {:#x} bytes to work in, which "
                        "is not between 1 MiB and 4 GiB",
                        image.load_address, image.init_size));
    return image;
}

}  // namespace softmetal::machine
