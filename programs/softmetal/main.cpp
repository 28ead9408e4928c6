// softmetal: runs x86 virtual machines on a host without hardware virtualization.
#include "complain.hpp"
#include "display/vnc_process.hpp"
#include "exit_codes.hpp"
#include "host/byte_socket.hpp"
#include "host/child_process.hpp"
#include "host/process_exit.hpp"
#include "host/signal_watch.hpp"
#include "machine/vm_process/vm_process.hpp"
#include "memory_command.hpp"
#include "network/network_process.hpp"
#include "network/switch_process.hpp"
#include "options.hpp"
#include "run_command.hpp"
#include "screenshot_command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <iostream>
#include <string_view>

namespace softmetal {
namespace {

/// Not for users: this program starts itself again as its jailed processes, see supervisor.cpp,
/// network_child.cpp and vnc_door.cpp.
int be_child(const char* name, const char* shown_name, int (*live)(host::ControlSocket)) {
    if (!host::is_socket(host::ChildProcess::passed_descriptor)) {
        complain(fmt::format("{} is started by softmetal run, not by hand", name));
        return exit_codes::usage;
    }
    host::set_process_name(shown_name);
    host::exit_now(live(host::ControlSocket(host::UniqueFd(host::ChildProcess::passed_descriptor))));
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
    const std::string_view command = argc == 2 ? argv[1] : "";
    if (command == "vm-process") return be_child("vm-process", "softmetal-vm", machine::run_vm_process);
    if (command == "network-process")
        return be_child("network-process", "softmetal-net", network::run_network_process);
    if (command == "switch-process")
        return be_child("switch-process", "softmetal-switch", network::run_switch_process);
    if (command == "vnc-server") return be_child("vnc-server", "softmetal-vnc", display::run_vnc_process);

    CLI::App app("Runs whole x86 operating systems in an ordinary process, without hardware virtualization.",
                 "softmetal");
    app.set_version_flag("--version", "softmetal " SOFTMETAL_VERSION);
    app.require_subcommand(1);
    app.footer("softmetal run --help explains how to run one.");
    RunOptions options;
    add_run_command(app, options);
    ScreenshotOptions screenshot;
    const CLI::App* const screenshot_app = add_screenshot_command(app, screenshot);
    MemoryOptions memory;
    const CLI::App* const memory_app = add_memory_command(app, memory);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& request) {
        return print_and_exit(app, request);
    } catch (const CLI::ParseError& error) {
        if (argc > 1 && app.get_subcommands().empty())
            complain(fmt::format("'{}' is not a command (softmetal --help explains)", argv[1]));
        else
            complain(fmt::format(
                "{} (softmetal {} --help explains)", error.what(),
                app.get_subcommands().empty() ? "run" : app.get_subcommands().front()->get_name()));
        return exit_codes::usage;
    }
    if (memory_app->parsed()) return memory_command(memory);
    return screenshot_app->parsed() ? screenshot_command(screenshot) : run_command(options);
}

}  // namespace
}  // namespace softmetal

int main(int argc, char** argv) { return softmetal::main(argc, argv); }
