// The board's ACPI tables (ACPI 6.5, ch. 5.2): RSDP, RSDT, XSDT, FADT, FACS, MADT, HPET, DSDT, an SSDT of
// the processors, and more for what not every board has: floppy drives, COM2 to COM4.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "bus/dma.hpp"
#include "machine/board_layout.hpp"

#include <array>
#include <vector>

namespace softmetal::machine::acpi {

/// All tables as if they lay at address 0, and what changes when they lie elsewhere. The RSDP stands apart,
/// since it must lie below 1 MiB.
struct TableImage {
    enum class Part : u8 { rsdp, tables };
    /// A field that holds the address of something in `tables`; an offset as yet.
    struct Pointer {
        Part part;
        u32 at = 0;
        u8 size = 4;
    };
    /// Byte `at` makes the sum of `size` bytes from `first` on 0.
    struct Checksum {
        Part part;
        u32 at = 0, first = 0, size = 0;
    };
    std::vector<std::byte> rsdp, tables;
    std::vector<Pointer> pointers;
    std::vector<Checksum> checksums;  // of what has pointers in it, in the order in which to compute them

    [[nodiscard]] std::vector<std::byte>& bytes(Part part) { return part == Part::rsdp ? rsdp : tables; }
};
inline constexpr u32 table_alignment = 64;  // what the FACS asks for

/// In what boards differ.
struct Board {
    unsigned cpus = 1;
    bool has_floppies = false;
    std::array<bool, layout::serial_port_count> serial_ports = {true};  // COM1 is on every board
};

[[nodiscard]] TableImage build_tables(const Board& board);

/// Writes them where firmware keeps them; yields the RSDP's address.
[[nodiscard]] Result<GuestPhysical> install_tables(bus::DmaView& memory, const Board& board);

}  // namespace softmetal::machine::acpi
