#include "machine/boot/real_mode_kernel.hpp"

#include "base/bits.hpp"
#include "machine/boot/file_bytes.hpp"
#include "machine/boot/kernel_image.hpp"
#include "machine/boot/memory_map.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <utility>

namespace softmetal::machine {
namespace {

constexpr u16 oldest_version = 0x0202;  // the first with a pointer to the command line
constexpr u16 initrd_limit_version = 0x0203, command_line_size_version = 0x0206;
constexpr u8 loaded_high = 1, can_use_heap = 0x80;  // load_flags
constexpr u8 unnamed_loader = 0xff;
constexpr u64 sector = 512;
constexpr u64 default_setup_sectors = 4;  // what a zero stands for

// Below 640 KiB and clear of what a BIOS uses; the layout is that of boot.rst's "Sample Boot Configuration".
constexpr u32 setup_address = 0x1'0000;
constexpr u32 heap_end = 0xe000;  // from there; the command line comes next
constexpr u32 command_line_address = setup_address + heap_end;
constexpr u32 longest_command_line = 0x2000 - 1;
constexpr u32 payload_address = 0x10'0000;
/// Firmware's tables and whatever else it keeps at the end of the memory.
constexpr u64 kept_by_firmware = 0x20'0000;

template <class T>
void set(std::vector<u8>& setup, u32 offset, T value) {
    std::memcpy(setup.data() + offset, &value, sizeof value);
}

/// The command line's "vga=" is for the loader ("Special Command Line Options"); the last one counts.
std::optional<u16> video_mode(std::string_view command_line) {
    constexpr std::string_view option = "vga=";
    constexpr std::pair<std::string_view, u16> names[] = {
        {"normal", 0xffff}, {"ext", 0xfffe}, {"ask", 0xfffd}};
    std::optional<u16> mode;
    while (!command_line.empty()) {
        std::string_view word = command_line.substr(0, command_line.find(' '));
        command_line.remove_prefix(std::min(word.size() + 1, command_line.size()));
        if (!word.starts_with(option)) continue;
        word.remove_prefix(option.size());
        if (const auto* named = std::ranges::find(names, word, &std::pair<std::string_view, u16>::first);
            named != std::end(names)) {
            mode = named->second;
            continue;
        }
        const bool hexadecimal = word.starts_with("0x");
        if (hexadecimal) word.remove_prefix(2);
        u16 number = 0;
        const auto end =
            std::from_chars(word.data(), word.data() + word.size(), number, hexadecimal ? 16 : 10);
        if (end.ec == std::errc{}) mode = number;
    }
    return mode;
}

}  // namespace

bool needs_real_mode_entry(std::span<const std::byte> kernel) {
    namespace h = setup_header;
    constexpr u16 kernel_64 = 1;
    if (!has_setup_header(kernel)) return false;
    const u16 version = field<u16>(kernel, h::version);
    if (version < command_line_size_version) return true;
    const bool has_64_bit_entry = version >= 0x020c && field<u16>(kernel, h::extended_load_flags) & kernel_64;
    return !has_64_bit_entry && field<u32>(kernel, h::code32_start) == 0;
}

Result<RealModeKernel> prepare_real_mode_kernel(const BootRequest& boot, u64 ram_bytes) {
    namespace h = setup_header;
    const std::span<const std::byte> file = boot.kernel;
    if (!has_setup_header(file))
        return fail("only a Linux bzImage can be started through the firmware, which this kernel is not");
    const u16 version = field<u16>(file, h::version);
    if (version < oldest_version)
        return fail(fmt::format("the kernel's boot protocol {}.{:02} is too old: 2.02 or newer is needed",
                                version >> 8, version & 0xff));
    if (!(field<u8>(file, h::load_flags) & loaded_high))
        return fail("the kernel is a zImage: a bzImage is needed");
    const u64 sectors = field<u8>(file, h::setup_sectors);
    const u64 setup_size = (1 + (sectors ? sectors : default_setup_sectors)) * sector;
    if (setup_size > heap_end)
        return fail(fmt::format("the kernel's setup code has {} sectors, more than the {} there is room for",
                                sectors, heap_end / sector - 1));
    if (file.size() <= setup_size)
        return fail(fmt::format("the kernel is truncated: {} bytes, of which its setup code takes {}",
                                file.size(), setup_size));
    const u64 longest = version >= command_line_size_version
                            ? std::min(field<u32>(file, h::command_line_size), longest_command_line)
                            : 255;
    if (boot.command_line.size() > longest)
        return fail(fmt::format("the kernel command line has {} characters; this kernel takes {}",
                                boot.command_line.size(), longest));

    const u64 payload_end = payload_address + (file.size() - setup_size);
    const u64 ram_end = low_ram_end(ram_bytes);
    if (payload_end + kept_by_firmware > ram_end)
        return fail(fmt::format("the kernel needs at least {} MiB of guest memory",
                                (payload_end + kept_by_firmware + 0xfffff) >> 20));
    const u64 initrd_limit = std::min(
        version >= initrd_limit_version ? u64{field<u32>(file, h::initrd_address_max)} + 1 : u64{0x3800'0000},
        ram_end - kept_by_firmware);
    if (initrd_limit < payload_end || initrd_limit - payload_end < align_up(boot.initrd.size(), page_size))
        return fail(fmt::format("the initrd of {} MiB does not fit into guest memory beside the kernel",
                                (boot.initrd.size() + 0xfffff) >> 20));

    RealModeKernel parts;
    parts.setup = {setup_address, to_u8(file.first(setup_size))};
    parts.payload = {payload_address, to_u8(file.subspan(setup_size))};
    parts.command_line = {command_line_address, {boot.command_line.begin(), boot.command_line.end()}};
    parts.command_line.bytes.push_back(0);
    std::vector<u8>& setup = parts.setup.bytes;
    if (!boot.initrd.empty()) {
        parts.initrd = {static_cast<u32>(align_down(initrd_limit - boot.initrd.size(), page_size)),
                        to_u8(boot.initrd)};
        set(setup, h::ramdisk_image, parts.initrd.address);
        set(setup, h::ramdisk_size, static_cast<u32>(boot.initrd.size()));
    }
    set(setup, h::type_of_loader, unnamed_loader);
    set(setup, h::load_flags, static_cast<u8>(field<u8>(file, h::load_flags) | can_use_heap));
    set(setup, h::heap_end, static_cast<u16>(heap_end - 0x200));
    set(setup, h::command_line, command_line_address);
    if (const auto mode = video_mode(boot.command_line)) set(setup, h::video_mode, *mode);
    return parts;
}

}  // namespace softmetal::machine
