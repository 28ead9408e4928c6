#include "memory_command.hpp"

#include "complain.hpp"
#include "control_option.hpp"
#include "display/machine_viewer.hpp"
#include "exit_codes.hpp"
#include "memory_size.hpp"

#include <fmt/format.h>
#include <vector>

namespace softmetal {
namespace {

Result<> set_memory(const std::string& control, u64 bytes) {
    auto conversation = display::call_machine(control);
    if (!conversation) return std::unexpected(conversation.error());
    std::vector<u8> request{static_cast<u8>(display::ControlRequest::set_memory)};
    for (unsigned i = 0; i < sizeof bytes; ++i) request.push_back(static_cast<u8>(bytes >> (8 * i)));
    if (auto sent = conversation->send(request); !sent) return sent;
    const auto answer = conversation->receive();
    if (!answer) return std::unexpected(answer.error());
    if (!*answer) return fail("the machine does not answer");
    return {};
}

}  // namespace

CLI::App* add_memory_command(CLI::App& app, MemoryOptions& options) {
    CLI::App* command =
        app.add_subcommand("memory", "Let a running guest do with less of its memory, or have it back");
    command->footer(
        R"(The guest's balloon driver (virtio_balloon) does it, in its own time and as far as the guest can spare memory;
this computer gets back what the guest hands over. More than the guest began with it cannot have.

Example: softmetal memory 512M)");
    command->add_option("SIZE", options.size, "How much it is to do with, with a suffix K, M, G or T")
        ->required();
    add_control_option(*command, options.control);
    return command;
}

int memory_command(const MemoryOptions& options) {
    const auto bytes = parse_memory_size(options.size);
    if (!bytes) {
        complain(bytes.error().message);
        return exit_codes::usage;
    }
    const auto set = set_memory(options.control, *bytes);
    if (set) return exit_codes::success;
    complain(set.error().message);
    return exit_codes::host_error;
}

}  // namespace softmetal
