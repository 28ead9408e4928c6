// Memory of this process alone: storage of guest RAM. In huge pages where the host grants them, which it does
// for such memory more often than for memory files. What is not touched costs nothing.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"

namespace softmetal::host {

class PrivateMemory {
 public:
    [[nodiscard]] static Result<PrivateMemory> create(const char* name, u64 bytes);
    /// Gives whole pages back to the host: they read as zero until they are written again. False where the
    /// host refuses.
    [[nodiscard]] bool release(u64 offset, u64 bytes) const;
    PrivateMemory(PrivateMemory&& other) noexcept;
    PrivateMemory& operator=(PrivateMemory&& other) noexcept;
    ~PrivateMemory();

    [[nodiscard]] u8* data() const { return data_; }
    [[nodiscard]] u64 size() const { return size_; }

 private:
    PrivateMemory(u8* data, u64 size) : data_(data), size_(size) {}
    u8* data_ = nullptr;
    u64 size_ = 0;
};

}  // namespace softmetal::host
