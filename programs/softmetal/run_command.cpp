#include "run_command.hpp"

#include "complain.hpp"
#include "exit_codes.hpp"
#include "network/switch_process.hpp"
#include "run_inputs.hpp"
#include "statistics_output.hpp"
#include "supervisor.hpp"

#include <csignal>
#include <fmt/format.h>
#include <fstream>

namespace softmetal {
namespace {

using machine::EndReason;
using machine::EndReport;

/// The VM process' words, without what could drive a terminal.
std::string printable(const std::string& text) {
    std::string clean;
    for (const char c : text) clean += c == '\n' || (c >= ' ' && c <= '~') ? c : '?';
    return clean;
}

int report_machine_end(const EndReport& report) {
    switch (report.reason) {
        case EndReason::power_off:
        case EndReason::stopped: return exit_codes::success;
        case EndReason::reset: return exit_codes::guest_reset;
        case EndReason::guest_exit: return exit_codes::of_debug_exit(report.exit_value);
        case EndReason::triple_fault:
            complain("the guest crashed: triple fault on a processor");
            print_error_text(printable(report.detail) + "\n");
            return exit_codes::guest_crash;
        case EndReason::internal_error: break;
    }
    complain(fmt::format("internal error: {}", printable(report.detail)));
    return exit_codes::host_error;
}

int report_end(const LifeEnd& end) {
    if (!end.output_error.empty()) {
        complain(end.output_error);
        return exit_codes::host_error;
    }
    if (end.had_to_be_killed) complain("the VM process did not stop when told to and was killed");
    if (end.signal) return exit_codes::signal_base + end.signal;
    if (end.quit) return end.had_to_be_killed ? exit_codes::host_error : exit_codes::success;
    if (!end.report) {
        complain(
            fmt::format("the VM process died: it {}{}", end.process.description(),
                        end.process.signal == SIGSYS ? "; it made a system call that its jail forbids" : ""));
        return exit_codes::host_error;
    }
    if (end.report->kind == EndReport::Kind::ended) return report_machine_end(*end.report);
    complain(printable(end.report->detail));
    return end.report->kind == EndReport::Kind::rejected ? exit_codes::usage : exit_codes::host_error;
}

bool is_reset(const LifeEnd& end) {
    return end.report && end.report->kind == EndReport::Kind::ended &&
           end.report->reason == EndReason::reset && !end.signal && !end.quit && end.output_error.empty();
}

int report_failures(const std::vector<std::string>& failures, int status) {
    for (const std::string& failure : failures) complain(printable(failure));
    return failures.empty() ? status : exit_codes::host_error;
}

int report_statistics(const RunOptions& options, const LifeEnd& end, int status) {
    if (!options.statistics || !end.report) return status;
    for (const std::string& refused : end.report->refused_defences) complain(printable(refused));
    if (options.statistics_file.empty()) {
        print_error_text(statistics_table(end.report->statistics));
        return status;
    }
    if (auto written = write_statistics(end.report->statistics, options.statistics_file); !written) {
        complain(written.error().message);
        return status == exit_codes::success ? exit_codes::host_error : status;
    }
    return status;
}

/// The status of the run, or that of a picture that could not be written.
int write_screenshot(const RunOptions& options, const Supervisor& supervisor, int status) {
    if (options.screenshot.empty()) return status;
    const auto written = supervisor.write_last_picture(options.screenshot);
    if (written) return status;
    complain(fmt::format("--screenshot: {}", written.error().message));
    return status == exit_codes::success ? exit_codes::host_error : status;
}

Result<> connect_network(const RunInputs::Network& network, Supervisor& supervisor) {
    if (!network.nat) {
        auto cable = network::plug_into_switch(network.switch_name, network.capture.get());
        if (!cable) return std::unexpected(cable.error());
        supervisor.use_cable(std::move(*cable));
        return {};
    }
    auto child = NetworkChild::start(*network.nat, network.capture.get());
    if (!child) return std::unexpected(child.error());
    supervisor.use_network(std::move(*child));
    return {};
}

}  // namespace

int run_command(const RunOptions& options) {
    auto inputs = open_run_inputs(options);
    if (!inputs) {
        complain(inputs.error().message);
        return exit_codes::usage;
    }
    // Before a run of hours rather than after it.
    if (!options.statistics_file.empty() && !std::ofstream(options.statistics_file, std::ios::app)) {
        complain(fmt::format("--stats: cannot write to '{}'", options.statistics_file));
        return exit_codes::usage;
    }
    if (!options.screenshot.empty() && !std::ofstream(options.screenshot, std::ios::app)) {
        complain(fmt::format("--screenshot: cannot write to '{}'", options.screenshot));
        return exit_codes::usage;
    }
    auto supervisor = Supervisor::create();
    if (!supervisor) {
        complain(supervisor.error().message);
        return exit_codes::host_error;
    }
    if (!options.screenshot.empty()) (*supervisor)->keep_last_picture();
    if (inputs->gdb) {
        if (auto opened = (*supervisor)->open_gdb_door(std::move(inputs->gdb)); !opened) {
            complain(opened.error().message);
            return exit_codes::host_error;
        }
    }
    if (auto used = (*supervisor)->use_serial_lines(std::move(inputs->serial_lines)); !used) {
        complain(used.error().message);
        return exit_codes::host_error;
    }
    if (inputs->control) {
        if (auto opened = (*supervisor)->open_control_door(std::move(inputs->control)); !opened) {
            complain(opened.error().message);
            return exit_codes::host_error;
        }
    }
    if (inputs->vnc) {
        if (auto opened = (*supervisor)->open_vnc_door(std::move(inputs->vnc), inputs->vnc_request);
            !opened) {
            complain(opened.error().message);
            return exit_codes::host_error;
        }
    }
    for (const RunInputs::Network& network : inputs->networks) {
        if (auto connected = connect_network(network, **supervisor); !connected) {
            complain(fmt::format("network: {} (--network none runs without)", connected.error().message));
            return exit_codes::host_error;
        }
    }
    std::vector<std::string> failures;  // of all lives of the machine: a restart does not undo them
    for (;;) {
        std::vector<int> files;
        for (const host::UniqueFd& file : inputs->files) files.push_back(file.get());
        auto end = (*supervisor)->run(inputs->request, files);
        if (end && end->report)
            failures.insert(failures.end(), end->report->failures.begin(), end->report->failures.end());
        if (end && is_reset(*end) && options.on_reset == OnReset::restart) {
            const auto connected = inputs->connect_again();
            if (connected) continue;
            end = std::unexpected(connected.error());
        }
        (*supervisor)->restore_terminal();
        if (!end) {
            complain(end.error().message);
            return exit_codes::host_error;
        }
        const int status = report_failures(failures, report_end(*end));
        return report_statistics(options, *end, write_screenshot(options, **supervisor, status));
    }
}

}  // namespace softmetal
