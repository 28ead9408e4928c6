// Guest-physical memory: where RAM and firmware lie, and which pages of RAM hold code that an engine has
// translated.
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
#include "bus/memory_reclaim.hpp"
#include "host/private_memory.hpp"
#include "host/shared_memory.hpp"
#include "memory/code_pages.hpp"

#include <array>
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
/// From the video window to here the chipset decides, page by page, who answers: RAM, firmware or the buses.
inline constexpr u64 chipset_window_end = 0x10'0000;
/// The end of the firmware image lies here too, below chipset_window_end.
inline constexpr u64 low_firmware_bytes = 0x20000;

/// Told, before the bytes change, that a write is about to hit a page that holds translated code. The
/// writer's thread.
class CodeWriteObserver {
 public:
    virtual ~CodeWriteObserver() = default;
    /// `translators` is the mask of vCPUs that have translated from the page. Within one page.
    virtual void code_about_to_change(GuestPhysical address, u64 size, u64 translators) = 0;
};

class GuestMemory final : public bus::DmaView, public bus::MemoryReclaim {
 public:
    /// Both are multiples of a page. Fails with a sentence where the host cannot map that much.
    [[nodiscard]] static Result<std::unique_ptr<GuestMemory>> create(u64 ram_bytes, u64 video_bytes = 0);

    [[nodiscard]] u64 ram_bytes() const { return ram_bytes_; }

    /// Puts firmware, a whole number of pages, at the end of the first 4 GiB, and its end below 1 MiB as well
    /// wherever RAM does not answer reads there. While the machine is built.
    [[nodiscard]] Result<> install_firmware(std::span<const std::byte> image);
    /// Whether reads and writes of this part of the chipset's window, whole pages of it, go to RAM. Those
    /// that do not go to firmware and to the buses. All of 0xc0000 to 0xfffff does at first. Any thread; a
    /// vCPU sees it once its TLB is empty (Vcpu::memory_map_changed).
    void shadow(u64 first, u64 size, bool reads, bool writes);

    /// Host address of the page of RAM or firmware that answers reads of `address`; null where a device does.
    [[nodiscard]] u8* page(GuestPhysical address) const {
        const u64 p = address.page();
        if (p < low_bytes_) {
            if (p - video_window_start < window_bytes) [[unlikely]]
                return window_page(p).reads.load(std::memory_order_relaxed);
            return host_ + p;
        }
        if (p - high_memory_start < high_bytes_) return host_ + low_bytes_ + (p - high_memory_start);
        if (p - firmware_start_ < firmware_bytes_) return firmware_ + (p - firmware_start_);
        return video_page(p);
    }
    /// The same for writes: RAM, mostly the very page that is read.
    [[nodiscard]] u8* writable_page(GuestPhysical address) const {
        const u64 p = address.page();
        if (p < low_bytes_) {
            if (p - video_window_start < window_bytes) [[unlikely]]
                return window_page(p).writes.load(std::memory_order_relaxed);
            return host_ + p;
        }
        if (p - high_memory_start < high_bytes_) return host_ + low_bytes_ + (p - high_memory_start);
        return video_page(p);
    }
    /// Host address of one byte as page() finds it, good to the end of its page; null where there is none.
    [[nodiscard]] u8* pointer(GuestPhysical address) const {
        u8* p = page(address);
        return p ? p + address.offset() : nullptr;
    }
    [[nodiscard]] u8* writable_pointer(GuestPhysical address) const {
        u8* p = writable_page(address);
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
    [[nodiscard]] bool locate(GuestPhysical address, u64 length, bool to_write,
                              std::vector<std::span<std::byte>>& places) const override;
    void changing(GuestPhysical address, u64 length) override;

    // bus::MemoryReclaim. Of the chipset's window nothing is given back.
    u64 reclaim(GuestPhysical first, u64 bytes) override;

    // --- code pages (memory/code_pages.hpp). Write access to a page that holds code is never cached in a
    // TLB: whoever is about to write RAM and may hit one calls about_to_write first. Firmware does not
    // change: it is as good as marked by everybody.

    [[nodiscard]] bool holds_code(GuestPhysical a) const {
        const auto page = page_number(a);
        return page && code_pages_.translators(*page) != 0;
    }
    [[nodiscard]] bool holds_code_of(GuestPhysical a, unsigned vcpu) const {
        const auto page = page_number(a);
        return !page || code_pages_.translators(*page) & bit(vcpu);
    }
    /// And may no other be writing to it? What the vCPU reads then stays true until it is told otherwise.
    [[nodiscard]] bool holds_settled_code_of(GuestPhysical a, unsigned vcpu) const {
        const auto page = page_number(a);
        return !page ||
               (code_pages_.translators(*page) & bit(vcpu) && !code_pages_.other_writers(*page, vcpu));
    }
    /// The result is the other vCPUs whose write access must be revoked before the bytes are read.
    u64 mark_code(GuestPhysical a, unsigned vcpu) {
        const auto page = page_number(a);
        return page ? code_pages_.add_translator(*page, vcpu) : 0;
    }
    void unmark_code(GuestPhysical a, unsigned vcpu) {
        if (const auto page = page_number(a)) code_pages_.remove_translator(*page, vcpu);
    }
    /// Has this vCPU alone translated from the page?
    [[nodiscard]] bool holds_code_of_only(GuestPhysical a, unsigned vcpu) const {
        const auto page = page_number(a);
        return page && code_pages_.translators(*page) == bit(vcpu);
    }
    /// Before a vCPU gets write access, or writes without. False where the page holds code.
    [[nodiscard]] bool admit_writer(GuestPhysical a, unsigned vcpu) {
        const auto page = page_number(a);
        return !page || code_pages_.add_writer(*page, vcpu) == 0;
    }
    void dismiss_writer(GuestPhysical a, unsigned vcpu) {
        if (const auto page = page_number(a)) code_pages_.remove_writer(*page, vcpu);
    }

    void about_to_write(GuestPhysical a, u64 size) {
        const auto page = page_number(a);
        const u64 translators = page ? code_pages_.translators(*page) : 0;
        if (translators && observer_) observer_->code_about_to_change(a, size, translators);
    }
    void observe_code_writes(CodeWriteObserver* observer) { observer_ = observer; }

 private:
    static constexpr u64 window_bytes = chipset_window_end - video_window_start;
    static constexpr u64 nowhere = u64{1} << 63;  // no guest-physical address
    struct WindowPage {
        std::atomic<u8*> reads{nullptr}, writes{nullptr};
    };

    GuestMemory(host::PrivateMemory ram, host::SharedMemory video, u64 video_bytes, CodePages code_pages);
    [[nodiscard]] const WindowPage& window_page(u64 address) const {
        return window_[(address - video_window_start) >> page_shift];
    }
    /// The firmware that also lies at this page of the chipset's window; null where there is none.
    [[nodiscard]] u8* low_firmware(u64 address) const;
    [[nodiscard]] u8* video_page(u64 address) const {
        const u64 inside = address - video_base_.load(std::memory_order_relaxed);
        return inside < video_bytes_ ? video_.data() + inside : nullptr;
    }
    /// In code_pages_, of RAM and of video memory; none for what does not change. Asked for once in a
    /// function: another processor may move video memory at any time.
    [[nodiscard]] std::optional<u64> page_number(GuestPhysical a) const {
        if (a.value < low_bytes_) return a.value >> page_shift;
        if (a.value - high_memory_start < high_bytes_)
            return (a.value - high_memory_start + low_bytes_) >> page_shift;
        const u64 inside = a.value - video_base_.load(std::memory_order_relaxed);
        if (inside < video_bytes_) return (ram_bytes_ + inside) >> page_shift;
        return std::nullopt;
    }

    host::PrivateMemory ram_;
    u8* host_;
    u64 ram_bytes_;
    u64 low_bytes_ = 0;
    u64 high_bytes_ = 0;
    std::array<WindowPage, (window_bytes >> page_shift)> window_;
    std::optional<host::SharedMemory> firmware_file_;
    u8* firmware_ = nullptr;
    u64 firmware_start_ = high_memory_start, firmware_bytes_ = 0;
    host::SharedMemory video_;
    u64 video_bytes_ = 0;
    std::atomic<u64> video_base_ = nowhere;
    CodePages code_pages_;
    CodeWriteObserver* observer_ = nullptr;
};

}  // namespace softmetal
