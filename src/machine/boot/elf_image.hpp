// An x86 ELF executable (System V ABI, "Object Files"): its loadable segments, entry point and notes. The
// bytes come from a file somebody hands in: every field is hostile until it has been checked here.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "machine/boot/boot_memory.hpp"

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace softmetal::machine {

struct ElfImage {
    struct Segment {
        std::span<const std::byte> bytes;
        u64 linear = 0, physical = 0;
        u64 size = 0;  // in memory: what goes beyond `bytes` is zero
    };
    struct Note {
        std::string_view owner;
        u32 type = 0;
        std::span<const std::byte> description;
    };
    std::vector<Segment> segments;
    std::vector<Note> notes;
    u64 entry = 0;

    /// The entry point before the kernel has paging: where it is loaded rather than where it is linked to.
    [[nodiscard]] u64 physical_entry() const;
};

[[nodiscard]] bool is_elf(std::span<const std::byte> file);

/// The file must outlive what is returned.
[[nodiscard]] Result<ElfImage> parse_elf(std::span<const std::byte> file);

[[nodiscard]] Result<> load_segments(BootMemory& memory, const ElfImage& image);

}  // namespace softmetal::machine
