#include "machine/boot/multiboot.hpp"

#include "base/bits.hpp"
#include "machine/boot/elf_image.hpp"
#include "machine/boot/file_bytes.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace softmetal::machine {
namespace {

constexpr u32 header_magic = 0x1badb002;
constexpr u32 loader_magic = 0x2badb002;  // in EAX
constexpr u64 search_end = 8192;          // the header lies within the file's first so many bytes

namespace header_flag {
constexpr u32 page_aligned_modules = 1u << 0;
constexpr u32 memory_information = 1u << 1;
constexpr u32 video_mode = 1u << 2;
constexpr u32 must_be_understood = 0xffff;
constexpr u32 addresses = 1u << 16;  // the fields below are valid, and count more than ELF headers
}  // namespace header_flag

namespace header_field {
constexpr u64 flags = 4, header_address = 12, load_address = 16, load_end = 20, bss_end = 24, entry = 28;
}  // namespace header_field

/// The information structure that EBX points to.
namespace info {
constexpr u64 flags = 0, memory_lower = 4, memory_upper = 8, command_line = 16, module_count = 20,
              modules = 24, map_length = 44, map = 48, loader_name = 64, size = 120;
constexpr u32 has_memory = 1u << 0, has_command_line = 1u << 2, has_modules = 1u << 3, has_map = 1u << 6,
              has_loader_name = 1u << 9;
constexpr u32 map_entry_size = 20;  // as an entry says it of itself: without that very field
}  // namespace info

/// The place in the file, and in memory, that the address fields describe: an image without other headers.
Result<> load_by_addresses(BootMemory& memory, std::span<const std::byte> file, u64 header) {
    const auto field = [&](u64 offset) -> u64 {
        return number_at<u32>(file, header + offset).value_or(0);  // its presence has been checked
    };
    const u64 header_address = field(header_field::header_address), load = field(header_field::load_address);
    const u64 load_end = field(header_field::load_end), bss_end = field(header_field::bss_end);
    if (load > header_address || header_address - load > header || (load_end != 0 && load_end < load) ||
        (bss_end != 0 && bss_end < std::max(load_end, load)))
        return fail("the kernel's Multiboot header has contradictory addresses");
    const u64 start = header - (header_address - load);
    const u64 size = load_end != 0 ? load_end - load : file.size() - start;
    const auto bytes = bytes_at(file, start, size);
    if (!bytes) return fail("the kernel is truncated: its Multiboot header promises more");
    return memory.load(load, *bytes, std::max(size, bss_end != 0 ? bss_end - load : 0), "the kernel");
}

Result<u64> load_kernel_image(BootMemory& memory, std::span<const std::byte> file, u64 header, u32 flags) {
    if (flags & header_flag::addresses) {
        const auto entry = number_at<u32>(file, header + header_field::entry);
        if (!entry) return fail("the kernel's Multiboot header is truncated");
        if (auto r = load_by_addresses(memory, file, header); !r) return std::unexpected(r.error());
        return *entry;
    }
    const auto image = parse_elf(file);
    if (!image) return std::unexpected(image.error());
    if (auto r = load_segments(memory, *image); !r) return std::unexpected(r.error());
    return image->physical_entry();
}

struct Module {
    GuestPhysical address{};
    u64 size = 0;
};

/// The information structure with all it points to, as it lies at `base`.
ByteBuilder build_information(u64 base, const BootRequest& boot, std::span<const Module> modules,
                              const BootMemory& memory) {
    ByteBuilder out;
    out.skip(info::size);
    const auto here = [&] { return static_cast<u32>(base + out.size()); };
    u32 flags = info::has_memory | info::has_command_line | info::has_map | info::has_loader_name;

    out.set<u32>(info::map, here());
    for (const MemoryRange& range : memory.map()) {
        out.append<u32>(info::map_entry_size);
        out.append<u64>(range.first);
        out.append<u64>(range.size);
        out.append<u32>(static_cast<u32>(range.type));
    }
    out.set<u32>(info::map_length, static_cast<u32>(out.size() - info::size));
    out.set<u32>(info::memory_lower, static_cast<u32>(lower_memory_kib(memory.map())));
    out.set<u32>(info::memory_upper, static_cast<u32>(upper_memory_kib(memory.map())));

    if (!modules.empty()) {
        flags |= info::has_modules;
        const u32 name = here();
        out.append_text("initrd");
        out.align(4);
        out.set<u32>(info::module_count, static_cast<u32>(modules.size()));
        out.set<u32>(info::modules, here());
        for (const Module& module : modules) {
            out.append<u32>(static_cast<u32>(module.address.value));
            out.append<u32>(static_cast<u32>(module.address.value + module.size));
            out.append<u32>(name);
            out.append<u32>(0);
        }
    }
    out.set<u32>(info::command_line, here());
    out.append_text(
        fmt::format("{}{}{}", boot.kernel_name, boot.command_line.empty() ? "" : " ", boot.command_line));
    out.set<u32>(info::loader_name, here());
    out.append_text(boot_loader_name);
    out.set<u32>(info::flags, flags);
    return out;
}

}  // namespace

std::optional<u64> find_multiboot_header(std::span<const std::byte> file) {
    for (u64 at = 0; at + 12 <= std::min<u64>(file.size(), search_end); at += 4) {
        const auto words = number_at<std::array<u32, 3>>(file, at);
        if (!words || (*words)[0] != header_magic) continue;
        if ((*words)[0] + (*words)[1] + (*words)[2] == 0) return at;
    }
    return std::nullopt;
}

Result<KernelEntry> load_multiboot(GuestMemory& guest_memory, const BootRequest& boot, u64 header) {
    const u32 flags = number_at<u32>(boot.kernel, header + header_field::flags).value_or(0);
    if (flags & header_flag::video_mode)
        return fail("the kernel's Multiboot header demands a video mode: this machine has no display");
    if (const u32 unknown = flags & header_flag::must_be_understood &
                            ~(header_flag::page_aligned_modules | header_flag::memory_information))
        return fail(
            fmt::format("the kernel's Multiboot header demands something unknown (flags {:#x})", unknown));

    BootMemory memory(guest_memory);
    const auto entry = load_kernel_image(memory, boot.kernel, header, flags);
    if (!entry) return std::unexpected(entry.error());
    std::vector<Module> modules;
    if (!boot.initrd.empty()) {
        // Behind the kernel: one that maps little memory at first can still reach it.
        const auto place = memory.place(boot.initrd, page_size, memory.kernel_end(), "the initrd");
        if (!place) return std::unexpected(place.error());
        modules.push_back({*place, boot.initrd.size()});
    }
    const u64 size = build_information(0, boot, modules, memory).size();
    const auto place = memory.find(size, 8, 0, "the Multiboot information");
    if (!place) return std::unexpected(place.error());
    const ByteBuilder information = build_information(place->value, boot, modules, memory);
    if (auto r = memory.fill(*place, information.bytes()); !r) return std::unexpected(r.error());
    auto entry_state = enter_flat_32(memory, *entry, loader_magic, *place);
    if (entry_state) entry_state->may_return_to_real_mode = true;
    return entry_state;
}

}  // namespace softmetal::machine
