#include "host/private_memory.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>
#include <utility>

namespace softmetal::host {

Result<PrivateMemory> PrivateMemory::create(const char* name, u64 bytes) {
    void* data =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED)
        return fail(fmt::format("cannot map {} MiB for {}: {}", bytes >> 20, name, std::strerror(errno)));
    madvise(data, bytes, MADV_HUGEPAGE);  // a wish: it saves TLB misses of the host's
    return PrivateMemory(static_cast<u8*>(data), bytes);
}

bool PrivateMemory::release(u64 offset, u64 bytes) const {
    return madvise(data_ + offset, bytes, MADV_DONTNEED) == 0;
}

PrivateMemory::PrivateMemory(PrivateMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

PrivateMemory& PrivateMemory::operator=(PrivateMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

PrivateMemory::~PrivateMemory() {
    if (data_) munmap(data_, size_);
}

}  // namespace softmetal::host
