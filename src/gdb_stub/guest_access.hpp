// A debugger's access to guest memory by linear address: through the page tables as a vCPU has them now,
// whatever their rights say, without a trace in them. RAM only: reading a device's register may change it.
#pragma once

#include "cpu/vcpu.hpp"

#include <cstddef>
#include <span>

namespace softmetal::gdb_stub {

/// How many bytes from `a` on could be read.
[[nodiscard]] std::size_t read_guest(const Vcpu& vcpu, GuestLinear a, std::span<std::byte> into);
/// All or nothing.
[[nodiscard]] bool write_guest(Vcpu& vcpu, GuestLinear a, std::span<const std::byte> from);

}  // namespace softmetal::gdb_stub
