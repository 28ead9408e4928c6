#include "machine/acpi/processors.hpp"

#include "machine/acpi/table_writer.hpp"

#include <fmt/format.h>

namespace softmetal::machine::acpi {
namespace {

// AML opcodes (ACPI 6.5, ch. 20.3).
constexpr u8 scope_op = 0x10, name_op = 0x08, byte_prefix = 0x0a, string_prefix = 0x0d, ext_prefix = 0x5b,
             device_op = 0x82;

/// PkgLength in its two-byte form, which counts itself (ACPI 6.5, ch. 20.2.4): enough for 4095 bytes.
void package(TableWriter& out, std::span<const std::byte> body) {
    const std::size_t length = body.size() + 2;
    out.number8(static_cast<u8>(0x40 | (length & 0xf))).number8(static_cast<u8>(length >> 4)).raw(body);
}

std::vector<std::byte> processor_device(unsigned index) {
    TableWriter body;
    body.text(fmt::format("C{:03X}", index));
    body.number8(name_op).text("_HID").number8(string_prefix).text("ACPI0007").number8(0);
    body.number8(name_op).text("_UID").number8(byte_prefix).number8(static_cast<u8>(index));
    TableWriter device;
    device.number8(ext_prefix).number8(device_op);
    package(device, body.bytes());
    return std::move(device).finish_raw();
}

}  // namespace

std::vector<std::byte> processor_table(unsigned cpus) {
    TableWriter body;
    body.text("\\_SB_");
    for (unsigned i = 0; i < cpus; i++) body.raw(processor_device(i));
    TableWriter table("SSDT", 2);
    table.number8(scope_op);
    package(table, body.bytes());
    return std::move(table).finish();
}

}  // namespace softmetal::machine::acpi
