#include "host/code_memory.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace softmetal::host {

Result<CodeMemory> CodeMemory::create(u64 bytes) {
    CodeMemory memory;
    memory.size_ = bytes;
    // Huge pages are granted to anonymous memory where asked for, to memory files by default never. Anonymous
    // memory has no second address, so it must be writable and executable at once, which some hosts forbid:
    // those get the file.
    void* both = mmap(nullptr, bytes, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (both != MAP_FAILED) {
        memory.writable_ = memory.executable_ = static_cast<u8*>(both);
        madvise(both, bytes, MADV_HUGEPAGE);
        return memory;
    }
    UniqueFd fd(memfd_create("code", MFD_CLOEXEC));
    if (!fd.valid() || ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0)
        return fail(fmt::format("cannot create memory for generated code: {}", std::strerror(errno)));
    void* writable = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
    if (writable == MAP_FAILED)
        return fail(fmt::format("cannot map generated code: {}", std::strerror(errno)));
    memory.writable_ = static_cast<u8*>(writable);
    void* executable = mmap(nullptr, bytes, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
    if (executable == MAP_FAILED)
        return fail(
            fmt::format("the host does not let this process run generated code: {}", std::strerror(errno)));
    memory.executable_ = static_cast<u8*>(executable);
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
    if (executable_ && executable_ != writable_) munmap(executable_, size_);
}

}  // namespace softmetal::host
