// What an engine did, counted per vCPU by its own thread and read by `--stats`.
#pragma once

#include "base/integers.hpp"

#include <array>
#include <string_view>

namespace softmetal {

struct Counters {
#define COUNTER(name, description) u64 name = 0;
#include "base/counters.inc"
#undef COUNTER
};

struct CounterInfo {
    std::string_view name;
    std::string_view description;
    u64 Counters::*member;
};

inline constexpr auto counter_table = std::to_array<CounterInfo>({
#define COUNTER(name, description) {#name, description, &Counters::name},
#include "base/counters.inc"
#undef COUNTER
});

}  // namespace softmetal
