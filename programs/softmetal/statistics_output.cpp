#include "statistics_output.hpp"

#include "base/counters.hpp"
#include "base/integers.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fstream>

namespace softmetal {

std::string statistics_table(const nlohmann::json& statistics) {
    std::string table;
    if (!statistics.is_object() || !statistics.contains("total")) return table;
    const nlohmann::json& total = statistics["total"];
    for (const CounterInfo& info : counter_table) {
        const auto counter = total.find(std::string(info.name));
        if (counter == total.end() || !counter->is_number_unsigned()) continue;
        if (const u64 value = counter->get<u64>())
            table += fmt::format("{:>20}  {:<26} {}\n", value, info.name, info.description);
    }
    return table;
}

Result<> write_statistics(const nlohmann::json& statistics, const std::string& path) {
    std::ofstream file(path, std::ios::trunc);
    if (file) file << statistics.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    file.close();
    if (!file) return fail(fmt::format("cannot write statistics to '{}': {}", path, std::strerror(errno)));
    return {};
}

}  // namespace softmetal
