// The CPUID feature bits a guest may see (SDM vol. 2, CPUID; APM vol. 3, app. E), by name. A bit without a
// row here is never shown: new host features stay hidden until somebody has virtualized them.
#pragma once

#include "cpu/cpu_model.hpp"

#include <span>

namespace softmetal::cpuid {

enum class Register : u8 { eax, ebx, ecx, edx };

/// Where the bit comes from.
enum class Source : u8 {
    host,     // shown where the host has it: user-level instructions, run by the host itself
    always,   // implemented by us, whatever the host
    on_host,  // a system feature implemented by us that needs the instruction on the host as well
};

struct Feature {
    u32 leaf;
    u32 subleaf;
    Register reg;
    u8 bit;
    Source source;
    Generation since;                // the oldest model that has it
    bool CpuModel::Features::*flag;  // null where no engine asks for it
};

[[nodiscard]] std::span<const Feature> features();

/// The host's CPUID; zeros for leaves it does not have.
[[nodiscard]] CpuidLeaf host_leaf(u32 leaf, u32 subleaf = 0);
/// Does the host's operating system let programs use these XCR0 components?
[[nodiscard]] bool host_saves_components(u64 components);

[[nodiscard]] u32& register_of(CpuidLeaf& leaf, Register reg);

}  // namespace softmetal::cpuid
