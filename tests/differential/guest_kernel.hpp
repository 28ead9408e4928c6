// The guest's side of an experiment, as far as it is data: page tables that put the pages of `layout` where
// the host has them, at user level; descriptor tables with the host's selectors; and exception handlers that
// are one HLT each. The frame on the handlers' stack is the result.
//
// Two kernels: one in long mode, for 64-bit and compatibility-mode cases, and a 32-bit one under PAE paging.
#pragma once

#include "cpu/cpu_model.hpp"
#include "memory/guest_memory.hpp"
#include "test_case.hpp"

#include <optional>

namespace softmetal::differential {

enum class KernelMode : u8 { long_mode, protected_mode };

class GuestKernel {
 public:
    static constexpr u64 ram_bytes = 1 << 20;
    /// The pages of `layout` lie here, in their order.
    static constexpr u64 case_pages = 0x30000;

    /// Builds the tables in `memory`.
    GuestKernel(GuestMemory& memory, KernelMode mode);

    /// Where a case starts from, but for its registers, segment registers included.
    [[nodiscard]] CpuState initial_state(const CpuModel& model) const;

    /// What the handler that `state` has halted in was entered with.
    struct Exception {
        unsigned vector;
        u32 error_code = 0;
        u64 rip = 0, rflags = 0, rsp = 0;
        u16 cs = 0, ss = 0;
    };
    [[nodiscard]] std::optional<Exception> exception(const CpuState& state) const;

 private:
    void map(u64 linear, u64 physical, u64 rights);
    void build_page_tables();
    void build_descriptors();
    void build_handlers();
    void put_gate(unsigned vector, u64 handler, u64 attributes);
    void put_task_state(u64 top);
    [[nodiscard]] u64 kernel_base() const;
    [[nodiscard]] bool long_mode() const { return mode_ == KernelMode::long_mode; }
    void put(u64 physical, u64 value) { *reinterpret_cast<u64*>(memory_.pointer({physical})) = value; }
    [[nodiscard]] u64 get(u64 physical) const {
        return *reinterpret_cast<const u64*>(memory_.pointer({physical}));
    }

    GuestMemory& memory_;
    const KernelMode mode_;
    u64 next_table_;
};

}  // namespace softmetal::differential
