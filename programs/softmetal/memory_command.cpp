#include "memory_command.hpp"

#include "base/little_endian.hpp"
#include "complain.hpp"
#include "control_option.hpp"
#include "display/machine_viewer.hpp"
#include "exit_codes.hpp"
#include "machine/vm_process/protocol.hpp"
#include "memory_size.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iostream>
#include <iterator>
#include <vector>

namespace softmetal {
namespace {

using display::ControlRequest;

/// What the machine answers behind the byte that it repeats.
Result<std::vector<u8>> ask(const std::string& control, std::vector<u8> request) {
    auto conversation = display::call_machine(control);
    if (!conversation) return std::unexpected(conversation.error());
    if (auto sent = conversation->send(request); !sent) return std::unexpected(sent.error());
    auto answer = conversation->receive();
    if (!answer) return std::unexpected(answer.error());
    if (!*answer || (*answer)->bytes.empty()) return fail("the machine does not answer");
    std::vector<u8> bytes = std::move((*answer)->bytes);
    bytes.erase(bytes.begin());
    return bytes;
}

Result<> set_memory(const std::string& control, u64 bytes) {
    std::vector<u8> request{static_cast<u8>(ControlRequest::set_memory)};
    std::ranges::copy(to_little_endian(bytes), std::back_inserter(request));
    const auto answer = ask(control, std::move(request));
    if (!answer) return std::unexpected(answer.error());
    return {};
}

std::string table(const machine::MemoryStatus& status) {
    std::string text;
    const auto line = [&](std::string_view name, std::optional<u64> bytes, std::string_view meaning) {
        constexpr double mebibyte = 1 << 20;
        const std::string amount =
            bytes ? fmt::format("{:.1f} MiB", static_cast<double>(*bytes) / mebibyte) : "unknown";
        text += fmt::format("{:10} {:>14}  {}\n", name, amount, meaning);
    };
    line("machine", status.ram, "what it has");
    line("target", status.target, "what the guest is to do with");
    line("balloon", status.balloon, "what the guest has handed over");
    line("reclaimed", status.reclaimed, "what came back to this computer since the start");
    line("total", status.guest_total, "what the guest counts as its memory");
    line("available", status.guest_available, "what the guest could give to new programs");
    line("free", status.guest_free, "what the guest does not use at all");
    return text;
}

Result<> show_memory(const std::string& control) {
    const auto answer = ask(control, {static_cast<u8>(ControlRequest::report_memory)});
    if (!answer) return std::unexpected(answer.error());
    const auto status = machine::decode_memory_status(*answer);
    if (!status) return fail("the machine's answer is not understood");
    std::cout << table(*status) << std::flush;
    if (!std::cout) return fail("cannot write to standard output");
    return {};
}

}  // namespace

CLI::App* add_memory_command(CLI::App& app, MemoryOptions& options) {
    CLI::App* command = app.add_subcommand(
        "memory", "Let a running guest do with less of its memory, or have it back, or show what it has");
    command->footer(
        R"(The guest's balloon driver (virtio_balloon) does it, in its own time and as far as the guest can spare memory;
this computer gets back what the guest hands over. More than the guest began with it cannot have.
Without SIZE: what the machine has, and what the guest says of its memory.

Example: softmetal memory 512M)");
    command->add_option("SIZE", options.size, "How much it is to do with, with a suffix K, M, G or T");
    add_control_option(*command, options.control);
    return command;
}

int memory_command(const MemoryOptions& options) {
    std::optional<u64> bytes;
    if (options.size) {
        const auto size = parse_memory_size(*options.size);
        if (!size) {
            complain(size.error().message);
            return exit_codes::usage;
        }
        bytes = *size;
    }
    const auto done = bytes ? set_memory(options.control, *bytes) : show_memory(options.control);
    if (done) return exit_codes::success;
    complain(done.error().message);
    return exit_codes::host_error;
}

}  // namespace softmetal
