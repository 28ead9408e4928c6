// Reads a SavedState's fields with checks: the first thing that is wrong is remembered as one sentence, and
// everything read after it yields zero, so a restore function reads all its fields and asks once at the end.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "bus/saved_state.hpp"

#include <concepts>
#include <fmt/format.h>
#include <limits>
#include <span>
#include <string_view>

namespace softmetal::devices {

class StateReader {
 public:
    /// `newest` is the newest version the caller understands.
    StateReader(const bus::SavedState& state, std::string_view schema, int newest)
        : StateReader(state.fields, schema) {
        if (state.schema != schema)
            reject(fmt::format("saved state is of '{}', not of '{}'", state.schema, schema));
        else if (state.version < 1 || state.version > newest)
            reject(fmt::format("saved state of {} has version {}; 1 to {} are understood", schema,
                               state.version, newest));
    }
    /// An object inside another's fields.
    StateReader(const nlohmann::json& fields, std::string_view schema) : schema_(schema), fields_(fields) {
        if (!fields_.is_object()) reject(fmt::format("saved state of {} is not a set of fields", schema_));
    }

    template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>) [[nodiscard]] T
        number(std::string_view name, T max = std::numeric_limits<T>::max()) {
        return static_cast<T>(checked(find(name), name, max));
    }

    [[nodiscard]] bool flag(std::string_view name) {
        const nlohmann::json* value = find(name);
        if (value && value->is_boolean()) return value->get<bool>();
        reject(fmt::format("saved state of {} has no flag '{}'", schema_, name));
        return false;
    }

    /// An array of exactly as many numbers as `into` holds.
    template <std::unsigned_integral T>
    void numbers(std::string_view name, std::span<T> into) {
        const nlohmann::json* value = find(name);
        if (!value || !value->is_array() || value->size() != into.size())
            return reject(
                fmt::format("saved state of {} has no list '{}' of {} numbers", schema_, name, into.size()));
        for (std::size_t i = 0; i < into.size(); ++i)
            into[i] = static_cast<T>(checked(&(*value)[i], name, std::numeric_limits<T>::max()));
    }

    /// A field that is itself a set of fields or a list; an empty object where it is missing.
    [[nodiscard]] const nlohmann::json& part(std::string_view name) {
        static const nlohmann::json nothing = nlohmann::json::object();
        const nlohmann::json* value = find(name);
        if (value && value->is_structured()) return *value;
        reject(fmt::format("saved state of {} has no part '{}'", schema_, name));
        return nothing;
    }

    /// For what only the device can judge.
    void require(bool holds, std::string_view what) {
        if (!holds) reject(fmt::format("saved state of {} is impossible: {}", schema_, what));
    }

    [[nodiscard]] bool good() const { return error_.empty(); }
    [[nodiscard]] Result<> finish() const { return good() ? Result<>{} : Result<>(fail(error_)); }

 private:
    [[nodiscard]] const nlohmann::json* find(std::string_view name) const {
        if (!good()) return nullptr;
        const auto place = fields_.find(name);
        return place == fields_.end() ? nullptr : &*place;
    }
    [[nodiscard]] u64 checked(const nlohmann::json* value, std::string_view name, u64 max) {
        const bool natural =
            value && (value->is_number_unsigned() || (value->is_number_integer() && value->get<i64>() >= 0));
        if (natural && value->get<u64>() <= max) return value->get<u64>();
        reject(fmt::format("saved state of {} has no number '{}' up to {}", schema_, name, max));
        return 0;
    }
    void reject(std::string message) {
        if (error_.empty()) error_ = std::move(message);
    }

    std::string_view schema_;
    const nlohmann::json& fields_;
    std::string error_;
};

}  // namespace softmetal::devices
