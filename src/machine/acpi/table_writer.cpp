#include "machine/acpi/table_writer.hpp"

namespace softmetal::machine::acpi {
namespace {

constexpr std::size_t length_offset = 4, checksum_offset = 9;
constexpr std::string_view oem = "SFTMTL", oem_table = "SOFTMETL", creator = "SFTM";

}  // namespace

std::byte checksum(std::span<const std::byte> bytes) {
    u8 sum = 0;
    for (std::byte b : bytes) sum = static_cast<u8>(sum + std::to_integer<u8>(b));
    return static_cast<std::byte>(-sum);
}

TableWriter::TableWriter(std::string_view signature, u8 revision) {
    text(signature).number32(0).number8(revision).number8(0);
    text(oem).text(oem_table).number32(1).text(creator).number32(1);
}

TableWriter& TableWriter::text(std::string_view characters) {
    return raw(std::as_bytes(std::span(characters)));
}

TableWriter& TableWriter::raw(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
}

TableWriter& TableWriter::zeros(std::size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
}

void TableWriter::seal(std::size_t at, std::size_t covered) {
    bytes_[at] = std::byte{0};
    bytes_[at] = checksum(std::span(bytes_).first(covered));
}

std::vector<std::byte> TableWriter::finish() && {
    const u32 length = static_cast<u32>(bytes_.size());
    std::memcpy(bytes_.data() + length_offset, &length, sizeof length);
    seal(checksum_offset, bytes_.size());
    return std::move(bytes_);
}

}  // namespace softmetal::machine::acpi
