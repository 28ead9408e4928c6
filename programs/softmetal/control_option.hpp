// --control of the commands that speak to a machine another process runs.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace softmetal {

/// Fills `path`, which stays empty where the only machine is meant.
inline void add_control_option(CLI::App& command, std::string& path) {
    command
        .add_option("--control", path,
                    "The socket that its softmetal run was given with --control; without it the only machine")
        ->type_name("PATH");
}

}  // namespace softmetal
