#include "machine/memory_types.hpp"

#include "machine/board_layout.hpp"

#include <bit>

namespace softmetal::machine {
namespace {

constexpr u64 uncached = 0, write_back = 6;
constexpr u64 all_write_back = 0x0606'0606'0606'0606;  // eight ranges in a fixed-range register
constexpr unsigned video_window_register = 2;          // a0000 to bffff, as CpuState::mtrr_fixed counts
constexpr u64 fixed_enabled = bit(10), enabled = bit(11);
constexpr u64 mask_valid = bit(11);

// One variable range covers everything from the PCI window to 4 GiB.
constexpr u64 device_bytes = high_memory_start - layout::pci_window_start;
static_assert(std::has_single_bit(device_bytes) && layout::pci_window_start % device_bytes == 0);

}  // namespace

void set_memory_types(CpuState& state, unsigned physical_address_bits) {
    state.mtrr_fixed.fill(all_write_back);
    state.mtrr_fixed[video_window_register] = uncached;
    state.mtrr_variable[0] = layout::pci_window_start | uncached;
    state.mtrr_variable[1] = (low_bits(physical_address_bits) & ~(device_bytes - 1)) | mask_valid;
    state.mtrr_def_type = enabled | fixed_enabled | write_back;
}

}  // namespace softmetal::machine
