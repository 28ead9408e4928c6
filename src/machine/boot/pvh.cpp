#include "machine/boot/pvh.hpp"

#include "machine/boot/file_bytes.hpp"

namespace softmetal::machine {
namespace {

constexpr std::string_view note_owner = "Xen";
constexpr u32 note_phys32_entry = 18;

constexpr u32 start_info_magic = 0x336e'c578;
constexpr u32 start_info_version = 1;  // the first with a memory map

/// hvm_start_info.
namespace start_info {
constexpr u64 magic = 0, version = 4, module_count = 12, modules = 16, command_line = 24, rsdp = 32,
              memory_map = 40, memory_map_count = 48, size = 56;
}  // namespace start_info

ByteBuilder build_start_info(u64 base, const BootRequest& boot, GuestPhysical initrd,
                             const std::vector<MemoryRange>& map) {
    ByteBuilder out;
    out.skip(start_info::size);
    out.set<u32>(start_info::magic, start_info_magic);
    out.set<u32>(start_info::version, start_info_version);
    out.set<u64>(start_info::rsdp, boot.rsdp.value);
    out.set<u64>(start_info::memory_map, base + out.size());
    out.set<u32>(start_info::memory_map_count, static_cast<u32>(map.size()));
    for (const MemoryRange& range : map) {
        out.append<u64>(range.first);
        out.append<u64>(range.size);
        out.append<u32>(static_cast<u32>(range.type));
        out.append<u32>(0);
    }
    if (!boot.initrd.empty()) {
        out.set<u32>(start_info::module_count, 1);
        out.set<u64>(start_info::modules, base + out.size());
        out.append<u64>(initrd.value);
        out.append<u64>(boot.initrd.size());
        out.append<u64>(0);  // it has no command line
        out.append<u64>(0);
    }
    out.set<u64>(start_info::command_line, base + out.size());
    out.append_text(boot.command_line);
    return out;
}

}  // namespace

std::optional<u64> pvh_entry(const ElfImage& image) {
    for (const ElfImage::Note& note : image.notes) {
        if (note.owner != note_owner || note.type != note_phys32_entry) continue;
        // As wide as the file's class or 32 bits: kernels differ. Always below 4 GiB.
        if (const auto wide = number_at<u64>(note.description, 0)) return wide;
        if (const auto narrow = number_at<u32>(note.description, 0)) return narrow;
    }
    return std::nullopt;
}

Result<KernelEntry> load_pvh(GuestMemory& guest_memory, const BootRequest& boot, const ElfImage& image,
                             u64 entry) {
    BootMemory memory(guest_memory);
    if (auto r = load_segments(memory, image); !r) return std::unexpected(r.error());
    GuestPhysical initrd{};
    if (!boot.initrd.empty()) {
        const auto place = memory.place(boot.initrd, page_size, memory.kernel_end(), "the initrd");
        if (!place) return std::unexpected(place.error());
        initrd = *place;
    }
    const u64 size = build_start_info(0, boot, initrd, memory.map()).size();
    const auto place = memory.find(size, 8, 0, "the kernel's start information");
    if (!place) return std::unexpected(place.error());
    const ByteBuilder info = build_start_info(place->value, boot, initrd, memory.map());
    if (auto r = memory.fill(*place, info.bytes()); !r) return std::unexpected(r.error());
    return enter_flat_32(memory, entry, 0, *place);
}

}  // namespace softmetal::machine
