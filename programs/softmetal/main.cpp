// softmetal: runs x86 virtual machines on a host without hardware virtualization.
#include "complain.hpp"
#include "display/vnc_process.hpp"
#include "exit_codes.hpp"
#include "host/byte_socket.hpp"
#include "host/child_process.hpp"
#include "host/process_exit.hpp"
#include "host/signal_watch.hpp"
#include "machine/vm_process/vm_process.hpp"
#include "options.hpp"
#include "run_command.hpp"
#include "screenshot_command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <iostream>
#include <string_view>

namespace softmetal {
namespace {

/// Not for users: the supervisor starts this program again as the jailed VM process, see supervisor.cpp.
int be_vm_process() {
    if (!host::is_socket(host::ChildProcess::passed_descriptor)) {
        complain("vm-process is started by softmetal run, not by hand");
        return exit_codes::usage;
    }
    host::set_process_name("softmetal-vm");
    host::exit_now(
        machine::run_vm_process(host::ControlSocket(host::UniqueFd(host::ChildProcess::passed_descriptor))));
}

/// Nor is this: it serves VNC viewers, see vnc_door.cpp.
int be_vnc_server() {
    if (!host::is_socket(host::ChildProcess::passed_descriptor)) {
        complain("vnc-server is started by softmetal run, not by hand");
        return exit_codes::usage;
    }
    host::set_process_name("softmetal-vnc");
    host::exit_now(
        display::run_vnc_process(host::ControlSocket(host::UniqueFd(host::ChildProcess::passed_descriptor))));
}

/// --help and --version are successes only if somebody could read them.
int print_and_exit(const CLI::App& app, const CLI::Success& request) {
    app.exit(request, std::cout, std::cerr);
    std::cout.flush();
    if (std::cout) return exit_codes::success;
    complain("cannot write to standard output");
    return exit_codes::host_error;
}

int main(int argc, char** argv) {
    host::occupy_standard_descriptors();
    host::make_writes_fail_softly();  // here for both processes: a child starts with the default actions
    if (argc == 2 && std::string_view(argv[1]) == "vm-process") return be_vm_process();
    if (argc == 2 && std::string_view(argv[1]) == "vnc-server") return be_vnc_server();

    CLI::App app("Runs whole x86 operating systems in an ordinary process, without hardware virtualization.",
                 "softmetal");
    app.set_version_flag("--version", "softmetal " SOFTMETAL_VERSION);
    app.require_subcommand(1);
    app.footer("softmetal run --help explains how to run one.");
    RunOptions options;
    add_run_command(app, options);
    ScreenshotOptions screenshot;
    const CLI::App* const screenshot_app = add_screenshot_command(app, screenshot);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& request) {
        return print_and_exit(app, request);
    } catch (const CLI::ParseError& error) {
        if (argc > 1 && app.get_subcommands().empty())
            complain(fmt::format("'{}' is not a command (softmetal --help explains)", argv[1]));
        else
            complain(fmt::format("{} (softmetal {} --help explains)", error.what(),
                                 screenshot_app->parsed() ? "screenshot" : "run"));
        return exit_codes::usage;
    }
    return screenshot_app->parsed() ? screenshot_command(screenshot) : run_command(options);
}

}  // namespace
}  // namespace softmetal

int main(int argc, char** argv) { return softmetal::main(argc, argv); }
