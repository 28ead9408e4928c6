// An ELF executable made field by field, so that a test can spoil one of them.
#pragma once

#include "machine/boot/file_bytes.hpp"

#include <vector>

namespace softmetal::machine {

/// One loadable segment, linked to 3 GiB above where it is loaded, and room for a note.
class ElfFile {
 public:
    static constexpr u64 linear = 0xc010'0000, physical = 0x10'0000, memory_size = 0x3000,
                         content_size = 0x1000;
    static constexpr u64 content_at = 0x400, note_at = 0x300, note_size = 0x20;

    explicit ElfFile(bool is_64 = false) : is_64_(is_64), bytes_(content_at + content_size) {
        set<u32>(0, 0x464c457f);
        set<u8>(4, is_64 ? 2 : 1);
        set<u8>(5, 1);
        set<u8>(6, 1);
        set<u16>(16, 2);
        set<u16>(18, is_64 ? 62 : 3);
        if (is_64) {
            set<u64>(24, linear + 0x10);
            set<u64>(32, program_headers());
            set<u16>(54, 56);
            set<u16>(56, 2);
        } else {
            set<u32>(24, static_cast<u32>(linear) + 0x10);
            set<u32>(28, program_headers());
            set<u16>(42, 32);
            set<u16>(44, 2);
        }
        set_program_header(0, 1, content_at, content_size, memory_size);
        set_program_header(1, 0, note_at, note_size, note_size);
        for (u64 i = 0; i < content_size; i++) bytes_[content_at + i] = static_cast<std::byte>(i * 5 + 1);
    }

    [[nodiscard]] u32 program_headers() const { return is_64_ ? 64 : 52; }
    [[nodiscard]] u32 program_header(unsigned index) const {
        return program_headers() + index * (is_64_ ? 56 : 32);
    }
    /// `type` 1 is loadable, 4 holds notes.
    ElfFile& set_program_header(unsigned index, u32 type, u64 offset, u64 file_size, u64 size) {
        const u32 at = program_header(index);
        set<u32>(at, type);
        const u64 fields[] = {offset, linear, physical, file_size, size};
        for (unsigned i = 0; i < std::size(fields); i++) {
            if (is_64_)
                set<u64>(at + 8 + 8 * i, fields[i]);
            else
                set<u32>(at + 4 + 4 * i, static_cast<u32>(fields[i]));
        }
        return *this;
    }
    /// Xen's note of a 32-bit entry point.
    ElfFile& add_pvh_note(u32 entry) {
        set_program_header(1, 4, note_at, note_size, note_size);
        set<u32>(note_at, 4);
        set<u32>(note_at + 4, is_64_ ? 8 : 4);
        set<u32>(note_at + 8, 18);
        set<u32>(note_at + 12, 0x006e6558);  // "Xen"
        set<u32>(note_at + 16, entry);
        return *this;
    }
    template <class T>
    ElfFile& set(u64 offset, T value) {
        std::memcpy(bytes_.data() + offset, &value, sizeof value);
        return *this;
    }
    /// Words from `offset` on.
    ElfFile& set_words(u64 offset, std::initializer_list<u32> words) {
        for (u32 word : words) {
            set<u32>(offset, word);
            offset += 4;
        }
        return *this;
    }
    ElfFile& resize(u64 size) {
        bytes_.resize(size);
        return *this;
    }
    [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
    bool is_64_;
    std::vector<std::byte> bytes_;
};

}  // namespace softmetal::machine
