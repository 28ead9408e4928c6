// Numbers and bytes out of, and into, byte sequences in a file format of somebody else's.
#pragma once

#include "base/integers.hpp"

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace softmetal::machine {

/// `size` bytes from `offset` on; none where the file ends before.
[[nodiscard]] inline std::optional<std::span<const std::byte>> bytes_at(std::span<const std::byte> file,
                                                                        u64 offset, u64 size) {
    if (offset > file.size() || size > file.size() - offset) return std::nullopt;
    return file.subspan(offset, size);
}

/// Where the file is known to go so far.
template <class T>
[[nodiscard]] T field(std::span<const std::byte> file, u64 offset) {
    T value;
    std::memcpy(&value, file.data() + offset, sizeof value);
    return value;
}

template <class T>
[[nodiscard]] std::optional<T> number_at(std::span<const std::byte> file, u64 offset) {
    if (!bytes_at(file, offset, sizeof(T))) return std::nullopt;
    return field<T>(file, offset);
}

[[nodiscard]] inline std::vector<u8> to_u8(std::span<const std::byte> bytes) {
    std::vector<u8> copy(bytes.size());
    if (!bytes.empty()) std::memcpy(copy.data(), bytes.data(), bytes.size());
    return copy;
}

/// A structure under construction: appended to, with numbers filled in afterwards.
class ByteBuilder {
 public:
    [[nodiscard]] u64 size() const { return bytes_.size(); }
    [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

    template <class T>
    void append(T value) {
        append_bytes(std::as_bytes(std::span(&value, 1)));
    }
    void append_bytes(std::span<const std::byte> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    void append_text(std::string_view text) {
        append_bytes(std::as_bytes(std::span(text)));
        bytes_.push_back(std::byte{0});
    }
    void skip(u64 count) { bytes_.resize(bytes_.size() + count); }
    void align(u64 boundary) { bytes_.resize((bytes_.size() + boundary - 1) / boundary * boundary); }
    /// Where something has been appended or skipped.
    template <class T>
    void set(u64 offset, T value) {
        std::memcpy(bytes_.data() + offset, &value, sizeof value);
    }

 private:
    std::vector<std::byte> bytes_;
};

}  // namespace softmetal::machine
