// A Linux bzImage, its header validated (Linux Documentation/arch/x86/boot.rst). The bytes come from a file
// somebody hands in: every field is hostile until it has been checked here.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "machine/boot/entry_state.hpp"

#include <cstddef>
#include <span>

namespace softmetal::machine {

/// Offsets in the first two sectors of the image, and, from 0x1f1 on, in boot_params as well.
namespace setup_header {
inline constexpr u32 start = 0x1f1;
inline constexpr u32 setup_sectors = 0x1f1;        // u8
inline constexpr u32 payload_paragraphs = 0x1f4;   // u32, of 16 bytes
inline constexpr u32 video_mode = 0x1fa;           // u16
inline constexpr u32 boot_flag = 0x1fe;            // u16, 0xaa55
inline constexpr u32 jump = 0x200;                 // u16; its second byte says where the header ends
inline constexpr u32 magic = 0x202;                // u32, "HdrS"
inline constexpr u32 version = 0x206;              // u16
inline constexpr u32 type_of_loader = 0x210;       // u8
inline constexpr u32 load_flags = 0x211;           // u8
inline constexpr u32 code32_start = 0x214;         // u32
inline constexpr u32 ramdisk_image = 0x218;        // u32
inline constexpr u32 ramdisk_size = 0x21c;         // u32
inline constexpr u32 heap_end = 0x224;             // u16, from the setup code on, less 0x200
inline constexpr u32 command_line = 0x228;         // u32
inline constexpr u32 initrd_address_max = 0x22c;   // u32, the last byte's address
inline constexpr u32 kernel_alignment = 0x230;     // u32
inline constexpr u32 relocatable = 0x234;          // u8
inline constexpr u32 extended_load_flags = 0x236;  // u16
inline constexpr u32 command_line_size = 0x238;    // u32, without the final zero
inline constexpr u32 preferred_address = 0x258;    // u64
inline constexpr u32 init_size = 0x260;            // u32
inline constexpr u32 end_of_required = 0x23c;      // what protocol 2.06 guarantees
inline constexpr u32 end_of_placement = 0x264;     // protocol 2.10: preferred_address and init_size
inline constexpr u32 end_in_boot_params = 0x290;   // where other fields follow
}  // namespace setup_header

struct KernelImage {
    std::span<const std::byte> setup_header;  // from setup_header::start to where its jump says it ends
    std::span<const std::byte> payload;       // the protected-mode kernel: loaded at `load_address`
    u64 load_address = 0;
    u64 init_size = 0;  // bytes from load_address that the kernel uses before it reads the memory map
    u64 initrd_address_max = 0;
    u32 command_line_size = 0;
    /// Kernels that have a 64-bit entry point are entered there, others as boot.rst's "32-bit Boot Protocol"
    /// says.
    EntryMode entry_mode = EntryMode::protected_mode;

    [[nodiscard]] u64 entry() const {
        return load_address + (entry_mode == EntryMode::long_mode ? 0x200 : 0);
    }
};

/// Does the file claim to be a Linux kernel?
[[nodiscard]] bool has_setup_header(std::span<const std::byte> file);

/// The image must outlive what is returned.
[[nodiscard]] Result<KernelImage> parse_kernel_image(std::span<const std::byte> file);

}  // namespace softmetal::machine
