// Runs a case in a guest: a machine of one CPU with one of the kernels of guest_kernel.hpp.
#pragma once

#include "bus/address_space.hpp"
#include "engine_under_test.hpp"
#include "guest_kernel.hpp"

namespace softmetal::differential {

class GuestRunner {
 public:
    [[nodiscard]] static Result<std::unique_ptr<GuestRunner>> create(std::string_view engine, KernelMode mode,
                                                                     const CpuModel& model);

    void run(const TestCase& test, Outcome& outcome);

 private:
    class StoppedClock final : public bus::Clock {
        [[nodiscard]] bus::Nanoseconds now() const override { return 0; }
    };

    GuestRunner(std::unique_ptr<GuestMemory> memory, KernelMode mode, const CpuModel& model);
    void prepare(const TestCase& test);

    std::unique_ptr<GuestMemory> memory_;
    GuestKernel kernel_;
    bus::AddressSpace ports_, mmio_;
    StoppedClock clock_;
    const CpuModel model_;
    Vcpu vcpu_;
    const CpuState initial_;
    std::unique_ptr<EngineUnderTest> engine_;
};

}  // namespace softmetal::differential
