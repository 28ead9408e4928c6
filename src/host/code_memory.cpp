#include "host/code_memory.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace softmetal::host {

Result<CodeMemory> CodeMemory::create(u64 bytes) {
    UniqueFd fd(memfd_create("code", MFD_CLOEXEC));
    if (!fd.valid() || ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0)
        return fail(fmt::format("cannot create memory for generated code: {}", std::strerror(errno)));
    CodeMemory memory;
    memory.size_ = bytes;
    void* writable = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
    if (writable == MAP_FAILED)
        return fail(fmt::format("cannot map generated code: {}", std::strerror(errno)));
    memory.writable_ = static_cast<u8*>(writable);
    void* executable = mmap(nullptr, bytes, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
    if (executable == MAP_FAILED)
        return fail(
            fmt::format("the host does not let this process run generated code: {}", std::strerror(errno)));
    memory.executable_ = static_cast<u8*>(executable);
    // A wish: it saves instruction-TLB misses where the host grants huge pages to shared memory.
    for (void* mapping : {writable, executable}) madvise(mapping, bytes, MADV_HUGEPAGE);
    return memory;
}

CodeMemory::CodeMemory(CodeMemory&& other) noexcept
    : writable_(std::exchange(other.writable_, nullptr)),
      executable_(std::exchange(other.executable_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

CodeMemory& CodeMemory::operator=(CodeMemory&& other) noexcept {
    std::swap(writable_, other.writable_);
    std::swap(executable_, other.executable_);
    std::swap(size_, other.size_);
    return *this;
}

CodeMemory::~CodeMemory() {
    if (writable_) munmap(writable_, size_);
    if (executable_) munmap(executable_, size_);
}

}  // namespace softmetal::host
