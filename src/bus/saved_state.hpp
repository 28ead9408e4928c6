// One device's state as a named, versioned set of fields.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace softmetal::bus {

struct SavedState {
    std::string schema;  // "uart16550": what the fields mean
    int version = 1;     // raised when they change; readers accept older ones
    nlohmann::json fields;
};

}  // namespace softmetal::bus
