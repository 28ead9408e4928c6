#include "machine/boot/linux_rom.hpp"

#include <numeric>
#include <span>

extern "C" const softmetal::u8 softmetal_linux_rom[], softmetal_linux_rom_end[];

namespace softmetal::machine {
namespace {

/// All bytes, `checksum` among them, are to add up to zero.
void make_sum_zero(std::span<u8> bytes, u8& checksum) {
    checksum = 0;
    checksum = static_cast<u8>(-std::accumulate(bytes.begin(), bytes.end(), 0u));
}

}  // namespace

std::vector<u8> linux_rom() {
    // Plug and Play BIOS Specification 1.0A, ch. 3.1 and 3.2.
    constexpr std::size_t header_pointer = 0x1a, header_size = 32, header_checksum = 9;
    std::vector<u8> rom(softmetal_linux_rom, softmetal_linux_rom_end);
    const std::size_t header = rom[header_pointer] | rom[header_pointer + 1] << 8;
    make_sum_zero(std::span(rom).subspan(header, header_size), rom[header + header_checksum]);
    make_sum_zero(rom, rom.back());
    return rom;
}

}  // namespace softmetal::machine
