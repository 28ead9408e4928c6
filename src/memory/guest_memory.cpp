#include "memory/guest_memory.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace softmetal {

Result<std::unique_ptr<GuestMemory>> GuestMemory::create(u64 ram_bytes, u64 video_bytes) {
    if (ram_bytes == 0 || (ram_bytes | video_bytes) % page_size != 0)
        return fail(fmt::format("guest memory of {} bytes is not a whole number of pages", ram_bytes));
    auto ram = host::SharedMemory::create("guest-ram", ram_bytes);
    if (!ram) return std::unexpected(ram.error());
    // A page where there is none: a memory file cannot be empty.
    auto video = host::SharedMemory::create("guest-video", std::max(video_bytes, page_size));
    if (!video) return std::unexpected(video.error());
    CodePages code_pages(((ram_bytes + video_bytes) >> page_shift) + 1);
    if (!code_pages.valid()) return fail(fmt::format("no memory to keep account of {} bytes", ram_bytes));
    return std::unique_ptr<GuestMemory>(
        new GuestMemory(std::move(*ram), std::move(*video), video_bytes, std::move(code_pages)));
}

GuestMemory::GuestMemory(host::SharedMemory ram, host::SharedMemory video, u64 video_bytes,
                         CodePages code_pages)
    : ram_(std::move(ram)),
      host_(ram_.data()),
      ram_bytes_(ram_.size()),
      low_bytes_(std::min(ram_.size(), low_memory_end)),
      high_bytes_(ram_.size() - low_bytes_),
      video_(std::move(video)),
      video_bytes_(video_bytes),
      code_pages_(std::move(code_pages)) {}

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
        if (!page(start + done)) return false;
    if (!from.empty() && !page(start + (from.size() - 1))) return false;
    while (!from.empty()) {
        const u64 chunk = std::min<u64>(from.size(), page_size - address.offset());
        about_to_write(address, chunk);
        std::memcpy(pointer(address), from.data(), chunk);
        from = from.subspan(chunk);
        address.value += chunk;
    }
    return true;
}

}  // namespace softmetal
