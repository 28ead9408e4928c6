#include "memory/guest_memory.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace softmetal {

Result<std::unique_ptr<GuestMemory>> GuestMemory::create(u64 ram_bytes, u64 video_bytes) {
    if (ram_bytes == 0 || (ram_bytes | video_bytes) % page_size != 0)
        return fail(fmt::format("guest memory of {} bytes is not a whole number of pages", ram_bytes));
    auto ram = host::PrivateMemory::create("guest RAM", ram_bytes);
    if (!ram) return std::unexpected(ram.error());
    // A page where there is none: a memory file cannot be empty.
    auto video = host::SharedMemory::create("guest-video", std::max(video_bytes, page_size));
    if (!video) return std::unexpected(video.error());
    CodePages code_pages(((ram_bytes + video_bytes) >> page_shift) + 1);
    if (!code_pages.valid()) return fail(fmt::format("no memory to keep account of {} bytes", ram_bytes));
    return std::unique_ptr<GuestMemory>(
        new GuestMemory(std::move(*ram), std::move(*video), video_bytes, std::move(code_pages)));
}

GuestMemory::GuestMemory(host::PrivateMemory ram, host::SharedMemory video, u64 video_bytes,
                         CodePages code_pages)
    : ram_(std::move(ram)),
      host_(ram_.data()),
      ram_bytes_(ram_.size()),
      low_bytes_(std::min(ram_.size(), low_memory_end)),
      high_bytes_(ram_.size() - low_bytes_),
      video_(std::move(video)),
      video_bytes_(video_bytes),
      code_pages_(std::move(code_pages)) {
    shadow(video_window_end, chipset_window_end - video_window_end, true, true);
}

Result<> GuestMemory::install_firmware(std::span<const std::byte> image) {
    auto file = host::SharedMemory::create("firmware", image.size());
    if (!file) return std::unexpected(file.error());
    std::ranges::copy(image, reinterpret_cast<std::byte*>(file->data()));
    firmware_ = file->data();
    firmware_bytes_ = image.size();
    firmware_start_ = high_memory_start - firmware_bytes_;
    firmware_file_ = std::move(*file);
    for (u64 at = video_window_end; at < chipset_window_end; at += page_size) {
        std::atomic<u8*>& reads = window_[(at - video_window_start) >> page_shift].reads;
        if (!reads) reads = low_firmware(at);
    }
    return {};
}

u8* GuestMemory::low_firmware(u64 address) const {
    const u64 from_end = chipset_window_end - address;
    return from_end <= std::min(firmware_bytes_, low_firmware_bytes) ? firmware_ + firmware_bytes_ - from_end
                                                                     : nullptr;
}

void GuestMemory::shadow(u64 first, u64 size, bool reads, bool writes) {
    for (u64 at = first; at < first + size && at < low_bytes_; at += page_size) {
        WindowPage& page = window_[(at - video_window_start) >> page_shift];
        page.reads.store(reads ? host_ + at : low_firmware(at), std::memory_order_relaxed);
        page.writes.store(writes ? host_ + at : nullptr, std::memory_order_relaxed);
    }
}

u64 GuestMemory::reclaim(GuestPhysical first, u64 bytes) {
    const u64 last = first.value + std::min(bytes, ~first.value);
    const struct {
        u64 first, end, offset;
    } ranges[] = {{0, std::min(low_bytes_, video_window_start), 0},
                  {chipset_window_end, low_bytes_, chipset_window_end},
                  {high_memory_start, high_memory_start + high_bytes_, low_bytes_}};
    u64 given_back = 0;
    for (const auto& range : ranges) {
        const u64 start = std::max((first.value + page_size - 1) & ~(page_size - 1), range.first);
        const u64 end = std::min(last & ~(page_size - 1), range.end);
        if (start >= end || start < first.value) continue;
        for (u64 page = start; page < end; page += page_size) about_to_write(GuestPhysical{page}, page_size);
        if (ram_.release(start - range.first + range.offset, end - start)) given_back += end - start;
    }
    return given_back;
}

bool GuestMemory::read(GuestPhysical address, std::span<std::byte> into) const {
    const GuestPhysical start = address;
    for (u64 done = 0; done < into.size(); done += page_size)
        if (!page(start + done)) return false;
    if (!into.empty() && !page(start + (into.size() - 1))) return false;
    while (!into.empty()) {
        const u64 chunk = std::min<u64>(into.size(), page_size - address.offset());
        std::memcpy(into.data(), pointer(address), chunk);
        into = into.subspan(chunk);
        address.value += chunk;
    }
    return true;
}

bool GuestMemory::write(GuestPhysical address, std::span<const std::byte> from) {
    const GuestPhysical start = address;
    for (u64 done = 0; done < from.size(); done += page_size)
        if (!writable_page(start + done)) return false;
    if (!from.empty() && !writable_page(start + (from.size() - 1))) return false;
    while (!from.empty()) {
        const u64 chunk = std::min<u64>(from.size(), page_size - address.offset());
        about_to_write(address, chunk);
        std::memcpy(writable_pointer(address), from.data(), chunk);
        from = from.subspan(chunk);
        address.value += chunk;
    }
    return true;
}

bool GuestMemory::locate(GuestPhysical address, u64 length, bool to_write,
                         std::vector<std::span<std::byte>>& places) const {
    while (length != 0) {
        const u64 chunk = std::min(length, page_size - address.offset());
        auto* const at =
            reinterpret_cast<std::byte*>(to_write ? writable_pointer(address) : pointer(address));
        if (!at) return false;
        if (!places.empty() && places.back().data() + places.back().size() == at)
            places.back() = {places.back().data(), places.back().size() + chunk};
        else
            places.emplace_back(at, chunk);
        address.value += chunk;
        length -= chunk;
    }
    return true;
}

void GuestMemory::changing(GuestPhysical address, u64 length) {
    while (length != 0) {
        const u64 chunk = std::min(length, page_size - address.offset());
        about_to_write(address, chunk);
        address.value += chunk;
        length -= chunk;
    }
}

}  // namespace softmetal
