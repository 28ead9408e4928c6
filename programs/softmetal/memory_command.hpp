// The command line of `softmetal memory`: how much of its memory a running guest is to do with.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

namespace softmetal {

struct MemoryOptions {
    std::optional<std::string> size;  // none: show what there is
    std::string control;              // the machine's socket; empty: the only machine there is
};

/// Adds the subcommand, which fills `options`; both must outlive the parsing.
CLI::App* add_memory_command(CLI::App& app, MemoryOptions& options);
/// An exit status.
[[nodiscard]] int memory_command(const MemoryOptions& options);

}  // namespace softmetal
