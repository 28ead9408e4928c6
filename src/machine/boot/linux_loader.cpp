#include "machine/boot/linux_loader.hpp"

#include "base/bits.hpp"
#include "machine/board_layout.hpp"
#include "machine/boot/memory_map.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>

namespace softmetal::machine {
namespace {

/// boot_params beside the setup header (zero-page.rst).
namespace zero_page {
constexpr u32 video_type =
    0x00f;  // u8; from here to 0x40 struct screen_info (include/uapi/linux/screen_info.h)
constexpr u32 screen_width = 0x012, screen_height = 0x014, screen_depth = 0x016;  // u16
constexpr u32 screen_base = 0x018, screen_bytes = 0x01c;                          // u32
constexpr u32 screen_line_bytes = 0x024;                                          // u16
constexpr u32 screen_colours = 0x026;  // of red, green, blue and the rest: size and position, u8 each
constexpr u32 acpi_rsdp = 0x070;       // u64
constexpr u32 e820_count = 0x1e8;      // u8
constexpr u32 e820_table = 0x2d0;      // entries of 20 bytes: u64 address, u64 size, u32 type
constexpr u32 e820_entry_size = 20;
}  // namespace zero_page

constexpr u8 unnamed_loader = 0xff;
/// A frame buffer set up by somebody other than a video BIOS. Kernels for clouds, too, have its driver.
constexpr u8 firmware_frame_buffer = 0x70;

class BootParams {
 public:
    explicit BootParams(std::span<const std::byte> header) {
        std::ranges::copy(header, bytes_.begin() + setup_header::start);
    }
    template <class T>
    void set(u32 offset, T value) {
        std::memcpy(bytes_.data() + offset, &value, sizeof value);
    }
    void set_memory_map(const std::vector<MemoryRange>& map) {
        u32 offset = zero_page::e820_table;
        for (const MemoryRange& range : map) {
            set<u64>(offset, range.first);
            set<u64>(offset + 8, range.size);
            set<u32>(offset + 16, static_cast<u32>(range.type));
            offset += zero_page::e820_entry_size;
        }
        set<u8>(zero_page::e820_count, static_cast<u8>(map.size()));
    }
    void set_screen(const BootScreen& screen) {
        set<u8>(zero_page::video_type, firmware_frame_buffer);
        set<u16>(zero_page::screen_width, static_cast<u16>(screen.width));
        set<u16>(zero_page::screen_height, static_cast<u16>(screen.height));
        set<u16>(zero_page::screen_depth, 32);
        set<u32>(zero_page::screen_base, static_cast<u32>(screen.address));
        set<u32>(zero_page::screen_bytes, screen.line_bytes() * screen.height);
        set<u16>(zero_page::screen_line_bytes, static_cast<u16>(screen.line_bytes()));
        constexpr std::array<u8, 8> colours = {8, 16, 8, 8, 8, 0, 8, 24};
        set(zero_page::screen_colours, colours);
    }
    [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
    std::array<std::byte, page_size> bytes_{};
};

/// As high as the kernel takes it, so that it is out of the way of the kernel's own growth.
Result<GuestPhysical> place_initrd(u64 size, const KernelImage& kernel, u64 ram_end) {
    const u64 limit = std::min(kernel.initrd_address_max + 1, ram_end);
    const u64 lowest = align_up(kernel.load_address + kernel.init_size, page_size);
    if (limit < lowest || limit - lowest < align_up(size, page_size))
        return fail(fmt::format("the initrd of {} MiB does not fit into guest memory beside the kernel",
                                (size + 0xfffff) >> 20));
    return GuestPhysical{align_down(limit - size, page_size)};
}

Result<> put(GuestMemory& memory, GuestPhysical address, std::span<const std::byte> bytes,
             std::string_view what) {
    if (memory.write(address, bytes)) return {};
    return fail(fmt::format("{} does not fit into guest memory at {:#x}", what, address.value));
}

}  // namespace

Result<KernelEntry> load_linux(GuestMemory& memory, const BootRequest& boot) {
    const auto kernel = parse_kernel_image(boot.kernel);
    if (!kernel) return std::unexpected(kernel.error());

    const u64 ram_end = low_ram_end(memory.ram_bytes());
    if (kernel->load_address + kernel->init_size > ram_end)
        return fail(fmt::format("the kernel needs at least {} MiB of guest memory",
                                (kernel->load_address + kernel->init_size + 0xfffff) >> 20));

    const u64 room = layout::ebda_start - boot_address::command_line - 1;
    const u64 longest = std::min<u64>(kernel->command_line_size, room);
    if (boot.command_line.size() > longest)
        return fail(fmt::format("the kernel command line has {} characters; this kernel takes {}",
                                boot.command_line.size(), longest));

    GuestPhysical initrd{};
    if (!boot.initrd.empty()) {
        const auto place = place_initrd(boot.initrd.size(), *kernel, ram_end);
        if (!place) return std::unexpected(place.error());
        initrd = *place;
    }

    BootParams params(kernel->setup_header);
    params.set<u8>(setup_header::type_of_loader, unnamed_loader);
    params.set<u32>(setup_header::code32_start, static_cast<u32>(kernel->load_address));
    params.set<u32>(setup_header::code32_start, static_cast<u32>(kernel->load_address));
    params.set<u32>(setup_header::ramdisk_image, static_cast<u32>(initrd.value));
    params.set<u32>(setup_header::ramdisk_size, static_cast<u32>(boot.initrd.size()));
    params.set<u32>(setup_header::command_line, static_cast<u32>(boot_address::command_line));
    params.set<u64>(zero_page::acpi_rsdp, boot.rsdp.value);
    params.set_memory_map(memory_map(memory.ram_bytes()));
    if (boot.screen) params.set_screen(*boot.screen);

    std::string command_line(boot.command_line);
    command_line.push_back('\0');
    const auto text = std::as_bytes(std::span(command_line));
    if (auto r = put(memory, {kernel->load_address}, kernel->payload, "the kernel"); !r)
        return std::unexpected(r.error());
    if (auto r = put(memory, initrd, boot.initrd, "the initrd"); !r) return std::unexpected(r.error());
    if (auto r = put(memory, {boot_address::command_line}, text, "the command line"); !r)
        return std::unexpected(r.error());
    if (auto r = put(memory, {boot_address::boot_params}, params.bytes(), "boot_params"); !r)
        return std::unexpected(r.error());
    return KernelEntry{.address = {kernel->entry()},
                       .mode = kernel->entry_mode,
                       .gdt = {boot_address::gdt},
                       .esi = boot_address::boot_params,
                       .esp = boot_address::stack_top};
}

}  // namespace softmetal::machine
