// Memory for generated code, in huge pages where the host grants them: with small ones a large guest program
// spends more time on instruction-TLB misses than on its instructions.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "host/unique_fd.hpp"

#include <cstddef>

namespace softmetal::host {

class CodeMemory {
 public:
    [[nodiscard]] static Result<CodeMemory> create(u64 bytes);
    CodeMemory(CodeMemory&& other) noexcept;
    CodeMemory& operator=(CodeMemory&& other) noexcept;
    ~CodeMemory();

    [[nodiscard]] u64 size() const { return size_; }
    /// Where code runs; all offsets agree with writable(), which is the same place or another (see create()).
    [[nodiscard]] const u8* executable() const { return executable_; }
    [[nodiscard]] u8* writable() const { return writable_; }
    /// The writable alias of an executable address.
    [[nodiscard]] u8* writable(const u8* code) const { return writable_ + (code - executable_); }
    [[nodiscard]] bool contains(u64 address) const {
        return address - reinterpret_cast<u64>(executable_) < size_;
    }

 private:
    CodeMemory() = default;
    u8* writable_ = nullptr;
    u8* executable_ = nullptr;
    u64 size_ = 0;
};

}  // namespace softmetal::host
