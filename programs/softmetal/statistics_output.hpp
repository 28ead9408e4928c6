// What `--stats` prints at the end of a run.
#pragma once

#include "base/result.hpp"

#include <nlohmann/json.hpp>
#include <string>

namespace softmetal {

/// A line a counter: value, name, what it counts. Counters that are zero are left out.
[[nodiscard]] std::string statistics_table(const nlohmann::json& statistics);

[[nodiscard]] Result<> write_statistics(const nlohmann::json& statistics, const std::string& path);

}  // namespace softmetal
