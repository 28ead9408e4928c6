#include "machine/smbios.hpp"

#include "base/bits.hpp"
#include "machine/acpi/table_writer.hpp"
#include "machine/board_layout.hpp"
#include "machine/boot/memory_map.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <string_view>

namespace softmetal::machine {
namespace {

using acpi::TableWriter;

// The entry point (ch. 5.2.1).
constexpr std::size_t entry_size = 31, entry_checksum = 4, intermediate = 16, intermediate_checksum = 21,
                      structures_address = 24;
constexpr std::string_view maker = "Softmetal", product = "Virtual Machine";

/// One structure after another, each with its strings behind it (ch. 6.1).
class Structures {
 public:
    u16 begin(u8 type) {
        type_ = type;
        body_ = {};
        strings_.clear();
        return next_handle_++;
    }
    Structures& number8(u64 v) { return body_.number8(static_cast<u8>(v)), *this; }
    Structures& number16(u64 v) { return body_.number16(static_cast<u16>(v)), *this; }
    Structures& number32(u64 v) { return body_.number32(static_cast<u32>(v)), *this; }
    Structures& number64(u64 v) { return body_.number64(v), *this; }
    Structures& zeros(std::size_t count) { return body_.zeros(count), *this; }
    /// Strings are numbered from 1 in the order of their appearance.
    Structures& text(std::string_view characters) {
        strings_ += characters;
        strings_ += '\0';
        return number8(static_cast<u64>(std::ranges::count(strings_, '\0')));
    }
    void end() {
        constexpr std::size_t header = 4;
        const std::size_t before = all_.size();
        all_.number8(type_).number8(static_cast<u8>(header + body_.size()));
        all_.number16(static_cast<u16>(next_handle_ - 1)).raw(body_.bytes());
        all_.text(strings_).zeros(strings_.empty() ? 2 : 1);
        largest_ = std::max(largest_, all_.size() - before);
    }

    [[nodiscard]] u16 count() const { return next_handle_; }
    [[nodiscard]] std::size_t largest() const { return largest_; }
    [[nodiscard]] std::vector<std::byte> take() { return std::move(all_).finish_raw(); }

 private:
    TableWriter all_, body_;
    std::string strings_;
    u8 type_ = 0;
    u16 next_handle_ = 0;
    std::size_t largest_ = 0;
};

/// Type 0 (ch. 7.1), for machines that begin without firmware.
void add_bios_information(Structures& s) {
    constexpr u64 characteristics_not_supported = bit(3);
    constexpr u8 virtual_machine = 1u << 4;  // second extension byte
    s.begin(0);
    s.text(maker).text("1").number16(layout::firmware_start >> 4).text("01/01/2025").number8(0);
    s.number64(characteristics_not_supported).number8(0).number8(virtual_machine);
    s.number8(1).number8(0).number8(0xff).number8(0xff).end();  // release 1.0, no embedded controller
}

/// Type 1 (ch. 7.2). The identifier is not present: all zeros.
void add_system(Structures& s) {
    constexpr u8 power_switch = 6;
    s.begin(1);
    s.text(maker)
        .text(product)
        .text("1")
        .number8(0)
        .zeros(16)
        .number8(power_switch)
        .number8(0)
        .number8(0)
        .end();
}

/// Type 3 (ch. 7.4).
u16 add_enclosure(Structures& s) {
    constexpr u8 other = 1, safe = 3, no_security = 2;
    const u16 handle = s.begin(3);
    s.text(maker).number8(other).number8(0).number8(0).number8(0);
    s.number8(safe).number8(safe).number8(safe).number8(no_security);
    s.number32(0).number8(0).number8(0).number8(0).number8(0).number8(0).end();
    return handle;
}

/// Type 4 (ch. 7.5): a socket for each processor. What the processor is CPUID says better.
void add_processor(Structures& s, unsigned index) {
    constexpr u8 central = 3, unknown = 2, populated_and_enabled = 0x41, other_upgrade = 1;
    constexpr u16 no_cache = 0xffff, sixty_four_bit = 1u << 2;
    constexpr u64 mhz = layout::tsc_hz / 1'000'000;
    s.begin(4);
    s.text(fmt::format("CPU {}", index)).number8(central).number8(unknown).text(maker).number64(0).text("1");
    s.number8(0)
        .number16(0)
        .number16(mhz)
        .number16(mhz)
        .number8(populated_and_enabled)
        .number8(other_upgrade);
    s.number16(no_cache).number16(no_cache).number16(no_cache).number8(0).number8(0).number8(0);
    s.number8(1).number8(1).number8(1).number16(sixty_four_bit).number16(unknown).end();
}

/// Type 16 (ch. 7.17).
u16 add_memory_array(Structures& s, u64 bytes) {
    constexpr u8 on_system_board = 3, system_memory = 3, uncorrected = 3;
    constexpr u64 too_much = 0x8000'0000;  // KiB: the extended field says it
    constexpr u16 no_error_information = 0xfffe;
    const u64 kib = bytes >> 10;
    const u16 handle = s.begin(16);
    s.number8(on_system_board).number8(system_memory).number8(uncorrected);
    s.number32(std::min(kib, too_much)).number16(no_error_information).number16(1);
    s.number64(kib < too_much ? 0 : bytes).end();
    return handle;
}

/// Type 17 (ch. 7.18): one module has it all.
void add_memory_device(Structures& s, u16 array, u64 bytes) {
    constexpr u16 no_error_information = 0xfffe, unknown_width = 0xffff, in_extended_size = 0x7fff;
    constexpr u8 dimm = 9, ram = 7;
    constexpr u16 other_detail = 1u << 1;
    const u64 mib = bytes >> 20;
    s.begin(17);
    s.number16(array).number16(no_error_information).number16(unknown_width).number16(unknown_width);
    s.number16(std::min<u64>(mib, in_extended_size)).number8(dimm).number8(0).text("DIMM 0").number8(0);
    s.number8(ram).number16(other_detail).number16(0).text(maker).number8(0).number8(0).number8(0);
    s.number8(0).number32(mib < in_extended_size ? 0 : mib).zeros(8).end();
}

/// Type 19 (ch. 7.20).
void add_memory_range(Structures& s, u16 array, u64 first, u64 end) {
    constexpr u32 in_extended = 0xffff'ffff;
    const bool fits = end >> 10 <= in_extended;
    s.begin(19);
    s.number32(fits ? first >> 10 : in_extended).number32(fits ? (end >> 10) - 1 : in_extended);
    s.number16(array).number8(1).number64(fits ? 0 : first).number64(fits ? 0 : end - 1).end();
}

void put_checksum(std::vector<std::byte>& bytes, std::size_t at, std::size_t first) {
    bytes[at] = std::byte{0};
    bytes[at] = acpi::checksum(std::span(bytes).subspan(first));
}

}  // namespace

SmbiosTables build_smbios(const SmbiosFacts& facts) {
    Structures s;
    if (!facts.has_firmware) add_bios_information(s);
    add_system(s);
    add_enclosure(s);
    for (unsigned i = 0; i < facts.cpus; i++) add_processor(s, i);
    const u16 array = add_memory_array(s, facts.memory_bytes);
    add_memory_device(s, array, facts.memory_bytes);
    add_memory_range(s, array, 0, low_ram_end(facts.memory_bytes));
    if (facts.memory_bytes > low_memory_end)
        add_memory_range(s, array, high_memory_start,
                         high_memory_start + facts.memory_bytes - low_memory_end);
    s.begin(32);  // the boot had no errors (ch. 7.33)
    s.zeros(6).number8(0).end();
    s.begin(127);  // the end (ch. 7.45)
    s.end();

    SmbiosTables tables;
    tables.structures = s.take();
    TableWriter entry;
    entry.text("_SM_").number8(0).number8(entry_size).number8(2).number8(8);
    entry.number16(static_cast<u16>(s.largest())).number8(0).zeros(5);
    entry.text("_DMI_").number8(0).number16(static_cast<u16>(tables.structures.size()));
    entry.number32(0).number16(s.count()).number8(0x28);
    tables.entry_point = std::move(entry).finish_raw();
    put_checksum(tables.entry_point, intermediate_checksum, intermediate);
    put_checksum(tables.entry_point, entry_checksum, 0);
    return tables;
}

Result<> install_smbios(bus::DmaView& memory, const SmbiosFacts& facts) {
    const GuestPhysical where{layout::smbios_start};
    const GuestPhysical structures = where + align_up(entry_size, 16);
    SmbiosTables tables = build_smbios(facts);
    const u32 address = static_cast<u32>(structures.value);
    std::memcpy(tables.entry_point.data() + structures_address, &address, sizeof address);
    put_checksum(tables.entry_point, intermediate_checksum, intermediate);
    put_checksum(tables.entry_point, entry_checksum, 0);
    if (structures.value + tables.structures.size() > layout::firmware_end)
        return fail(fmt::format("the SMBIOS tables of {} processors do not fit below 1 MiB", facts.cpus));
    if (!memory.write(where, tables.entry_point) || !memory.write(structures, tables.structures))
        return fail("guest memory is too small to hold the SMBIOS tables");
    return {};
}

}  // namespace softmetal::machine
