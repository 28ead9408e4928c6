// Little-endian bytes of one ACPI table: header, fields, and the length and checksum that come last.
#pragma once

#include "base/integers.hpp"

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace softmetal::machine::acpi {

/// What to add to the sum of `bytes` to make it 0 (ACPI 6.5, ch. 5.2.6).
[[nodiscard]] std::byte checksum(std::span<const std::byte> bytes);

class TableWriter {
 public:
    /// A table without the common header: RSDP, FACS, AML.
    TableWriter() = default;
    /// Starts with the System Description Table Header (ACPI 6.5, table 5.4).
    TableWriter(std::string_view signature, u8 revision);

    TableWriter& text(std::string_view characters);
    TableWriter& raw(std::span<const std::byte> bytes);
    TableWriter& zeros(std::size_t count);
    TableWriter& number8(u8 v) { return number(v); }
    TableWriter& number16(u16 v) { return number(v); }
    TableWriter& number32(u32 v) { return number(v); }
    TableWriter& number64(u64 v) { return number(v); }

    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
    /// Puts the checksum of the first `covered` bytes into byte `at`.
    void seal(std::size_t at, std::size_t covered);
    /// A table with the common header: length and checksum filled in.
    [[nodiscard]] std::vector<std::byte> finish() &&;
    [[nodiscard]] std::vector<std::byte> finish_raw() && { return std::move(bytes_); }

 private:
    template <class T>
    TableWriter& number(T v) {
        const std::size_t at = bytes_.size();
        bytes_.resize(at + sizeof v);
        std::memcpy(bytes_.data() + at, &v, sizeof v);
        return *this;
    }
    std::vector<std::byte> bytes_;
};

}  // namespace softmetal::machine::acpi
