// `softmetal screenshot`: the screen of a machine that another softmetal process runs, as a PNG file.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace softmetal {

struct ScreenshotOptions {
    std::string file;
    std::string control;  // the machine's socket; empty: the only one there is
};

/// Adds the subcommand, which fills `options`; both must outlive the parsing.
CLI::App* add_screenshot_command(CLI::App& app, ScreenshotOptions& options);

[[nodiscard]] int screenshot_command(const ScreenshotOptions& options);

}  // namespace softmetal
