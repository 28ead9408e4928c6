// Guest-physical RAM: where it lies, and which of its pages hold code that an engine has translated.
//
// A display adapter's memory may lie beside it, wherever a base address register puts it: engines read and
// write it as they do RAM.
//
// RAM is a shared memory file, so a page costs the host nothing until it is touched. The map is by page;
// nobody outside this class assumes that neighbouring guest pages are neighbours in the host.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "bus/dma.hpp"
#include "host/shared_memory.hpp"
#include "memory/code_pages.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>

namespace softmetal {

/// RAM below this stays below 4 GiB; the rest continues at 4 GiB. In between lie PCI windows and APICs.
inline constexpr u64 low_memory_end = 0xc000'0000;
inline constexpr u64 high_memory_start = 0x1'0000'0000;
/// The legacy video window, never RAM.
inline constexpr u64 video_window_start = 0xa0000;
inline constexpr u64 video_window_end = 0xc0000;

/// Told, before the bytes change, that a write is about to hit a page that holds translated code. The
/// writer's thread.
class CodeWriteObserver {
 public:
    virtual ~CodeWriteObserver() = default;
    /// `translators` is the mask of vCPUs that have translated from the page. Within one page.
    virtual void code_about_to_change(GuestPhysical address, u64 size, u64 translators) = 0;
};

class GuestMemory final : public bus::DmaView {
 public:
    /// Both are multiples of a page. Fails with a sentence where the host cannot map that much.
    [[nodiscard]] static Result<std::unique_ptr<GuestMemory>> create(u64 ram_bytes, u64 video_bytes = 0);

    [[nodiscard]] u64 ram_bytes() const { return ram_bytes_; }

    /// Host address of the RAM page that contains `address`; null where there is no RAM.
    [[nodiscard]] u8* page(GuestPhysical address) const {
        const u64 p = address.page();
        if (p < low_bytes_)
            return p - video_window_start < video_window_end - video_window_start ? nullptr : host_ + p;
        if (p - high_memory_start < high_bytes_) return host_ + low_bytes_ + (p - high_memory_start);
        const u64 in_video = p - video_base_.load(std::memory_order_relaxed);
        if (in_video < video_bytes_) return video_.data() + in_video;
        return nullptr;
    }
    /// Host address of one byte of RAM, good to the end of its page; null where there is no RAM.
    [[nodiscard]] u8* pointer(GuestPhysical address) const {
        u8* p = page(address);
        return p ? p + address.offset() : nullptr;
    }

    /// Video memory as its adapter sees it, whether it is placed or not.
    [[nodiscard]] std::span<u8> video_memory() { return {video_.data(), video_bytes_}; }
    /// Where the processors see it, from the next translation on; `base` is a multiple of a page. RAM is in
    /// front of it where the two overlap.
    void place_video_memory(std::optional<u64> base) { video_base_ = base.value_or(nowhere); }

    // bus::DmaView
    [[nodiscard]] bool read(GuestPhysical address, std::span<std::byte> into) const override;
    [[nodiscard]] bool write(GuestPhysical address, std::span<const std::byte> from) override;

    // --- code pages (memory/code_pages.hpp); of RAM only. Write access to a page that holds code is never
    // cached in a TLB: whoever is about to write RAM and may hit one calls about_to_write first.

    [[nodiscard]] bool holds_code(GuestPhysical a) const {
        return code_pages_.translators(page_number(a)) != 0;
    }
    [[nodiscard]] bool holds_code_of(GuestPhysical a, unsigned vcpu) const {
        return code_pages_.translators(page_number(a)) & bit(vcpu);
    }
    /// The result is the other vCPUs whose write access must be revoked before the bytes are read.
    u64 mark_code(GuestPhysical a, unsigned vcpu) { return code_pages_.add_translator(page_number(a), vcpu); }
    void unmark_code(GuestPhysical a, unsigned vcpu) { code_pages_.remove_translator(page_number(a), vcpu); }
    /// Before a vCPU gets write access, or writes without. False where the page holds code.
    [[nodiscard]] bool admit_writer(GuestPhysical a, unsigned vcpu) {
        return code_pages_.add_writer(page_number(a), vcpu) == 0;
    }
    void dismiss_writer(GuestPhysical a, unsigned vcpu) { code_pages_.remove_writer(page_number(a), vcpu); }

    void about_to_write(GuestPhysical a, u64 size) {
        const u64 translators = code_pages_.translators(page_number(a));
        if (translators && observer_) observer_->code_about_to_change(a, size, translators);
    }
    void observe_code_writes(CodeWriteObserver* observer) { observer_ = observer; }

 private:
    GuestMemory(host::SharedMemory ram, host::SharedMemory video, u64 video_bytes, CodePages code_pages);
    /// In code_pages_. Another processor may have moved video memory away since page() knew the address: what
    /// is nowhere has the last number.
    [[nodiscard]] u64 page_number(GuestPhysical a) const {
        if (a.value < low_bytes_) return a.value >> page_shift;
        if (a.value - high_memory_start < high_bytes_)
            return (a.value - high_memory_start + low_bytes_) >> page_shift;
        const u64 in_video = a.value - video_base_.load(std::memory_order_relaxed);
        return (ram_bytes_ + std::min(in_video, video_bytes_)) >> page_shift;
    }
    static constexpr u64 nowhere = u64{1} << 63;  // no guest-physical address

    host::SharedMemory ram_;
    u8* host_;
    u64 ram_bytes_;
    u64 low_bytes_ = 0;
    u64 high_bytes_ = 0;
    host::SharedMemory video_;
    u64 video_bytes_ = 0;
    std::atomic<u64> video_base_ = nowhere;
    CodePages code_pages_;
    CodeWriteObserver* observer_ = nullptr;
};

}  // namespace softmetal
