// A failing case made small: what it does not need is set to zero.
#pragma once

#include "test_case.hpp"

#include <functional>

namespace softmetal::differential {

/// Clears registers, flags, the initial vector and x87 state and memory one after another, and halves what is
/// left of memory, as long as `fails` says of the result that it still does. The instruction stays, and the
/// addresses it uses: others might be the host's own.
void reduce(TestCase& test, const std::function<bool(const TestCase&)>& fails);

}  // namespace softmetal::differential
