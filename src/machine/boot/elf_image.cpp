#include "machine/boot/elf_image.hpp"

#include "base/bits.hpp"
#include "machine/boot/file_bytes.hpp"

#include <algorithm>
#include <array>

namespace softmetal::machine {
namespace {

using Bytes = std::span<const std::byte>;

constexpr u32 magic = 0x464c457f;  // "\x7fELF"
constexpr u8 class_32 = 1, class_64 = 2, little_endian = 1;
constexpr u16 type_executable = 2, type_shared = 3;
constexpr u16 machine_386 = 3, machine_x86_64 = 62;
constexpr u32 segment_load = 1, segment_note = 4;
constexpr u64 note_alignment = 4;

/// Where the two classes keep the same fields.
struct Layout {
    unsigned word;  // bytes of an address
    u64 entry, program_headers, program_header_size, program_header_count;
    u64 offset, linear, physical, file_size, memory_size;  // in a program header
    u64 program_header_bytes;
};
constexpr Layout layout_32 = {4, 24, 28, 42, 44, 4, 8, 12, 16, 20, 32};
constexpr Layout layout_64 = {8, 24, 32, 54, 56, 8, 16, 24, 32, 40, 56};

std::unexpected<Error> truncated() { return fail("the kernel is a truncated ELF file"); }

/// Reads fields of one class; missing ones are remembered instead of answered.
class Fields {
 public:
    Fields(Bytes file, const Layout& layout) : file_(file), layout_(layout) {}
    template <class T>
    T number(u64 offset) {
        const auto value = number_at<T>(file_, offset);
        complete_ &= value.has_value();
        return value.value_or(0);
    }
    u64 address(u64 offset) { return layout_.word == 8 ? number<u64>(offset) : number<u32>(offset); }
    [[nodiscard]] bool complete() const { return complete_; }

 private:
    const Bytes file_;
    const Layout& layout_;
    bool complete_ = true;
};

/// What is cut off or goes wrong in a note ends the list: nothing behind it can be trusted.
void collect_notes(Bytes bytes, std::vector<ElfImage::Note>& notes) {
    u64 at = 0;
    while (const auto header = number_at<std::array<u32, 3>>(bytes, at)) {
        const auto [name_size, description_size, type] = *header;
        const u64 name_at = at + sizeof *header;
        const u64 description_at = name_at + align_up(name_size, note_alignment);
        const auto name = bytes_at(bytes, name_at, name_size);
        const auto description = bytes_at(bytes, description_at, description_size);
        if (!name || !description) return;
        std::string_view owner(reinterpret_cast<const char*>(name->data()), name->size());
        owner = owner.substr(0, owner.find('\0'));
        notes.push_back({owner, type, *description});
        at = description_at + align_up(description_size, note_alignment);
    }
}

const Layout* layout_of(Bytes file) {
    const auto file_class = number_at<u8>(file, 4), encoding = number_at<u8>(file, 5);
    const auto type = number_at<u16>(file, 16), machine = number_at<u16>(file, 18);
    if (encoding != little_endian || (type != type_executable && type != type_shared)) return nullptr;
    if (file_class == class_32 && machine == machine_386) return &layout_32;
    if (file_class == class_64 && machine == machine_x86_64) return &layout_64;
    return nullptr;
}

}  // namespace

u64 ElfImage::physical_entry() const {
    for (const Segment& s : segments)
        if (entry - s.linear < s.size) return entry - s.linear + s.physical;
    return entry;
}

bool is_elf(Bytes file) { return number_at<u32>(file, 0) == magic; }

Result<ElfImage> parse_elf(Bytes file) {
    const Layout* layout = is_elf(file) ? layout_of(file) : nullptr;
    if (!layout) return fail("the kernel is no x86 ELF executable");
    Fields fields(file, *layout);
    ElfImage image;
    image.entry = fields.address(layout->entry);
    const u64 table = fields.address(layout->program_headers);
    const u64 entry_size = fields.number<u16>(layout->program_header_size);
    const u64 count = fields.number<u16>(layout->program_header_count);
    if (!fields.complete()) return truncated();
    if (count != 0 && entry_size < layout->program_header_bytes)
        return fail("the kernel's ELF program headers are too short");
    if (!bytes_at(file, table, count * entry_size)) return truncated();

    for (u64 i = 0; i < count; i++) {
        const u64 header = table + i * entry_size;
        const u32 type = fields.number<u32>(header);
        if (type != segment_load && type != segment_note) continue;
        const auto bytes = bytes_at(file, fields.address(header + layout->offset),
                                    fields.address(header + layout->file_size));
        if (!bytes) return truncated();
        if (type == segment_note)
            collect_notes(*bytes, image.notes);
        else
            image.segments.push_back({*bytes, fields.address(header + layout->linear),
                                      fields.address(header + layout->physical),
                                      fields.address(header + layout->memory_size)});
    }
    return image;
}

Result<> load_segments(BootMemory& memory, const ElfImage& image) {
    if (std::ranges::all_of(image.segments, [](const ElfImage::Segment& s) { return s.size == 0; }))
        return fail("the kernel is an ELF file without anything to load");
    for (const ElfImage::Segment& segment : image.segments)
        if (auto r = memory.load(segment.physical, segment.bytes, segment.size, "the kernel"); !r) return r;
    return {};
}

}  // namespace softmetal::machine
