// A fuzzer's bytes, taken apart. Where they are used up, zeros follow. One part a statement: compilers differ
// in which argument of a call comes first, and an input must mean the same in all builds.
#pragma once

#include "base/integers.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

namespace softmetal::fuzz {

class Input {
 public:
    Input(const u8* data, std::size_t size) : left_(data, size) {}

    [[nodiscard]] bool empty() const { return left_.empty(); }
    template <class T>
    [[nodiscard]] T take() {
        T value{};
        const std::size_t size = std::min(sizeof value, left_.size());
        std::memcpy(&value, left_.data(), size);
        left_ = left_.subspan(size);
        return value;
    }
    /// 0 to limit - 1.
    [[nodiscard]] u64 below(u64 limit) { return limit <= 256 ? take<u8>() % limit : take<u32>() % limit; }
    [[nodiscard]] std::span<const u8> take_bytes(std::size_t most) {
        const auto bytes = left_.first(std::min(most, left_.size()));
        left_ = left_.subspan(bytes.size());
        return bytes;
    }
    [[nodiscard]] std::span<const u8> rest() { return take_bytes(left_.size()); }

 private:
    std::span<const u8> left_;
};

[[nodiscard]] inline std::string_view as_text(std::span<const u8> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// What must never happen, said before the fuzzer stops there.
[[noreturn]] void fail(std::string_view what);

}  // namespace softmetal::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
