// softmetal-window: a window on a machine that softmetal run runs. A program of its own, because a window
// needs libraries that the machine's processes must not have.
#include "complain.hpp"
#include "display/machine_viewer.hpp"
#include "exit_codes.hpp"
#include "host/signal_watch.hpp"
#include "window.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace softmetal {
namespace {

int main(int argc, char** argv) {
    host::make_writes_fail_softly();
    CLI::App app(
        "A window on the screen of a running machine, with its keyboard and mouse. Closing it leaves the\n"
        "machine running. Ctrl+Alt+F switches to the full screen and back, Ctrl+Alt+G keeps the desktop's "
        "own\n"
        "key combinations for the guest, and gives them back.",
        "softmetal-window");
    app.set_version_flag("--version", "softmetal-window " SOFTMETAL_VERSION);
    std::string control;
    bool full_screen = false;
    app.add_option(
           "--control", control,
           "The socket that the machine's softmetal run was given with --control; without it the only "
           "machine")
        ->type_name("PATH");
    app.add_flag("--full-screen", full_screen, "Begin with the full screen");
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& request) {
        return app.exit(request);
    } catch (const CLI::ParseError& error) {
        complain(fmt::format("{} (softmetal-window --help explains)", error.what()));
        return exit_codes::usage;
    }
    auto window = Window::open([&] { return display::view_machine(control); }, full_screen);
    const Result<> shown = window ? (*window)->run() : Result<>(std::unexpected(window.error()));
    if (shown) return exit_codes::success;
    complain(shown.error().message);
    return exit_codes::host_error;
}

}  // namespace
}  // namespace softmetal

int main(int argc, char** argv) { return softmetal::main(argc, argv); }
