#include "host/shared_memory.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace softmetal::host {

Result<SharedMemory> SharedMemory::create(const char* name, u64 bytes) {
    UniqueFd fd(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd.valid())
        return fail(fmt::format("cannot create a memory file for {}: {}", name, std::strerror(errno)));
    if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0)
        return fail(fmt::format("cannot size {} to {} bytes: {}", name, bytes, std::strerror(errno)));
    void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
    if (data == MAP_FAILED)
        return fail(fmt::format("cannot map {} MiB for {}: {}", bytes >> 20, name, std::strerror(errno)));
    return SharedMemory(std::move(fd), static_cast<u8*>(data), bytes);
}

Result<SharedMemory> SharedMemory::map(UniqueFd fd, u64 bytes) {
    struct stat status {};
    if (fstat(fd.get(), &status) != 0 || static_cast<u64>(status.st_size) < bytes)
        return fail("a memory file is shorter than it must be");
    void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
    if (data == MAP_FAILED) return fail(fmt::format("cannot map a memory file: {}", std::strerror(errno)));
    return SharedMemory(std::move(fd), static_cast<u8*>(data), bytes);
}

Result<> SharedMemory::keep_size() const {
    if (fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) return {};
    return fail(fmt::format("cannot seal a memory file: {}", std::strerror(errno)));
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : fd_(std::move(other.fd_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

SharedMemory::~SharedMemory() {
    if (data_) munmap(data_, size_);
}

}  // namespace softmetal::host
