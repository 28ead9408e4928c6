// `softmetal run`: from checked options to an exit status.
#pragma once

#include "options.hpp"

namespace softmetal {

[[nodiscard]] int run_command(const RunOptions& options);

}  // namespace softmetal
