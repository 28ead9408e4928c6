// A vCPU on a board of nothing, and an engine whose "instructions" are a function of the test.
#pragma once

#include "cpu/vcpu.hpp"
#include "monitor/engine.hpp"

#include <chrono>
#include <functional>

namespace softmetal::monitor::testing {

class SteadyClock final : public bus::Clock {
 public:
    [[nodiscard]] bus::Nanoseconds now() const override {
        return static_cast<u64>(std::chrono::steady_clock::now().time_since_epoch().count());
    }
};

struct BareVcpu {
    explicit BareVcpu(unsigned index = 0) : vcpu(index, model, {*memory, ports, mmio, clock}) {}

    std::unique_ptr<GuestMemory> memory = *GuestMemory::create(1u << 20);
    bus::AddressSpace ports, mmio;
    SteadyClock clock;
    CpuModel model = CpuModel::host(2, 1'000'000'000);
    Vcpu vcpu;
};

class FakeEngine final : public Engine {
 public:
    explicit FakeEngine(std::function<void()> instruction) : instruction_(std::move(instruction)) {}
    [[nodiscard]] std::string_view name() const override { return "fake"; }
    [[nodiscard]] u64 Counters::*time_counter() const override { return &Counters::nanoseconds_translated; }
    void run(u64) override { instruction_(); }

 private:
    std::function<void()> instruction_;
};

}  // namespace softmetal::monitor::testing
