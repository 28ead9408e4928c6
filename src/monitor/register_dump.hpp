// A vCPU's registers as text, for the report of a triple fault or an internal error.
#pragma once

#include "cpu/state.hpp"

#include <string>
#include <string_view>

namespace softmetal::monitor {

[[nodiscard]] std::string_view activity_name(Activity activity);
[[nodiscard]] std::string register_dump(const CpuState& state);

}  // namespace softmetal::monitor
