// A bzImage made field by field, so that a test can spoil one of them.
#pragma once

#include "machine/boot/kernel_image.hpp"

#include <cstring>
#include <vector>

namespace softmetal::machine {

class KernelFile {
 public:
    static constexpr u64 setup_sectors = 3;
    static constexpr u64 payload_start = (1 + setup_sectors) * 512;

    explicit KernelFile(u64 payload_bytes = 0x2000) : bytes_(payload_start + payload_bytes) {
        namespace h = setup_header;
        set<u8>(h::setup_sectors, setup_sectors);
        set<u32>(h::payload_paragraphs, static_cast<u32>(payload_bytes / 16));
        set<u16>(h::boot_flag, 0xaa55);
        set<u16>(h::jump, 0x6aeb);
        set<u32>(h::magic, 0x53726448);
        set<u16>(h::version, 0x020f);
        set<u8>(h::load_flags, 1);
        set<u32>(h::initrd_address_max, 0x7fff'ffff);
        set<u32>(h::kernel_alignment, 0x20'0000);
        set<u8>(h::relocatable, 1);
        set<u16>(h::extended_load_flags, 1);
        set<u32>(h::command_line_size, 2047);
        set<u64>(h::preferred_address, 0x100'0000);
        set<u32>(h::init_size, 0x10'0000);
        for (u64 i = payload_start; i < bytes_.size(); i++) bytes_[i] = static_cast<std::byte>(i * 7);
    }

    template <class T>
    KernelFile& set(u32 offset, T value) {
        std::memcpy(bytes_.data() + offset, &value, sizeof value);
        return *this;
    }
    KernelFile& resize(u64 size) {
        bytes_.resize(size);
        return *this;
    }
    [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
    std::vector<std::byte> bytes_;
};

}  // namespace softmetal::machine
