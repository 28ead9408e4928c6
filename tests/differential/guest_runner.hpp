// Runs a case in a guest: a machine of one CPU whose page tables put the pages of `layout` where the host has
// them, at user level, and whose exception handlers are one HLT each. The frame on the handlers' stack is the
// result.
#pragma once

#include "bus/address_space.hpp"
#include "engine_under_test.hpp"
#include "memory/guest_memory.hpp"
#include "test_case.hpp"

namespace softmetal::differential {

class GuestRunner {
 public:
    [[nodiscard]] static Result<std::unique_ptr<GuestRunner>> create(std::string_view engine);

    void run(const TestCase& test, Outcome& outcome);

 private:
    class StoppedClock final : public bus::Clock {
        [[nodiscard]] bus::Nanoseconds now() const override { return 0; }
    };

    explicit GuestRunner(std::unique_ptr<GuestMemory> memory);
    void build_tables();
    void map(u64 linear, u64 physical, u64 rights);
    void put(u64 physical, u64 value) { *reinterpret_cast<u64*>(memory_->pointer({physical})) = value; }
    [[nodiscard]] u64 get(u64 physical) const {
        return *reinterpret_cast<const u64*>(memory_->pointer({physical}));
    }
    [[nodiscard]] CpuState initial_state() const;

    std::unique_ptr<GuestMemory> memory_;
    bus::AddressSpace ports_, mmio_;
    StoppedClock clock_;
    CpuModel model_;
    Vcpu vcpu_;
    CpuState initial_;
    std::unique_ptr<EngineUnderTest> engine_;
    u64 next_table_;
};

}  // namespace softmetal::differential
