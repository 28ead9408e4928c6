// Errors a caller must look at. An Error is one sentence for a person: what was wrong and, where there is
// one, the remedy.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace softmetal {

struct Error {
    std::string message;
};

template <class T = void>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(std::string message) {
    return std::unexpected(Error{std::move(message)});
}

}  // namespace softmetal
