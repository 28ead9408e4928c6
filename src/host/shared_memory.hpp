// An anonymous memory file and its mapping: what processes share, or might. Pages cost
// nothing until they are touched.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "host/unique_fd.hpp"

namespace softmetal::host {

class SharedMemory {
 public:
    [[nodiscard]] static Result<SharedMemory> create(const char* name, u64 bytes);
    /// Maps another process' memory file; fails where it is shorter than `bytes`.
    [[nodiscard]] static Result<SharedMemory> map(UniqueFd fd, u64 bytes);
    /// From now on nobody can make the file shorter or longer, so that touching a mapping never faults.
    [[nodiscard]] Result<> keep_size() const;
    SharedMemory(SharedMemory&& other) noexcept;
    SharedMemory& operator=(SharedMemory&& other) noexcept;
    ~SharedMemory();

    [[nodiscard]] u8* data() const { return data_; }
    [[nodiscard]] u64 size() const { return size_; }
    [[nodiscard]] int fd() const { return fd_.get(); }

 private:
    SharedMemory(UniqueFd fd, u8* data, u64 size) : fd_(std::move(fd)), data_(data), size_(size) {}
    UniqueFd fd_;
    u8* data_ = nullptr;
    u64 size_ = 0;
};

}  // namespace softmetal::host
