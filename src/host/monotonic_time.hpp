// The host's steady clock, CLOCK_MONOTONIC: the one that timers are armed on.
#pragma once

#include "base/integers.hpp"

namespace softmetal::host {

/// Nanoseconds since some fixed moment; stands still while the host is suspended.
[[nodiscard]] u64 monotonic_nanoseconds();

}  // namespace softmetal::host
