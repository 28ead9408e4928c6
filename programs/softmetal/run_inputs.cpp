#include "run_inputs.hpp"

#include "drive_options.hpp"
#include "host/control_socket.hpp"
#include "host/input_file.hpp"
#include "memory_size.hpp"

#include <filesystem>
#include <fmt/format.h>

namespace softmetal {
namespace {

constexpr std::size_t longest_command_line =
    4096;  // no x86 kernel takes more (boot protocol cmdline_size: 2047)

/// `named` by the user, or the SeaBIOS that Debian installs.
Result<host::UniqueFd> open_firmware(const std::optional<std::string>& named) {
    constexpr const char* default_path = "/usr/share/seabios/bios-256k.bin";
    if (named) return host::open_input_file("firmware", *named, host::FileAccess::read);
    auto firmware = host::open_input_file("firmware", default_path, host::FileAccess::read);
    if (firmware) return firmware;
    return fail(
        firmware.error().message +
        "; install Debian's package seabios, or name another with --firmware, or a kernel with --kernel");
}

}  // namespace

Result<RunInputs> open_run_inputs(const RunOptions& options) {
    RunInputs inputs;
    machine::MachineConfig& config = inputs.request.config;
    const auto memory = parse_memory_size(options.memory);
    if (!memory) return fail(fmt::format("--memory: {}", memory.error().message));
    if (auto possible = check_guest_memory(*memory, host::host_memory_bytes()); !possible)
        return fail(fmt::format("--memory: {}", possible.error().message));
    if (auto possible = machine::check_cpu_model(options.cpu); !possible)
        return fail(fmt::format("--cpu: {}", possible.error().message));
    if (options.command_line.size() > longest_command_line)
        return fail(fmt::format("--append: {} characters are more than the {} a kernel takes",
                                options.command_line.size(), longest_command_line));
    config = {.memory_bytes = *memory,
              .cpus = options.cpus,
              .cpu_model = options.cpu,
              .mode = options.mode,
              .lockstep = options.lockstep,
              .command_line = options.command_line,
              .debug_exit_port = options.debug_exit_port,
              .test_device = options.test_device,
              .boot = options.boot,
              .kernel_name = std::filesystem::path(options.kernel.value_or("")).filename().string()};

    if (!options.kernel) {
        auto firmware = open_firmware(options.firmware);
        if (!firmware) return std::unexpected(firmware.error());
        inputs.files.push_back(std::move(*firmware));
        inputs.request.has_firmware = true;
    } else {
        auto kernel = host::open_input_file("kernel", *options.kernel, host::FileAccess::read);
        if (!kernel) return std::unexpected(kernel.error());
        inputs.files.push_back(std::move(*kernel));
        inputs.request.has_kernel = true;
    }
    if (options.initrd) {
        auto initrd = host::open_input_file("initrd", *options.initrd, host::FileAccess::read);
        if (!initrd) return std::unexpected(initrd.error());
        inputs.files.push_back(std::move(*initrd));
        inputs.request.has_initrd = true;
    }
    if (options.debug_console) {
        auto file = host::create_output_file("debug console file", *options.debug_console);
        if (!file) return std::unexpected(file.error());
        inputs.files.push_back(std::move(*file));
        inputs.request.has_debug_console = true;
    }
    const auto wanted = drives(options);
    if (!wanted) return std::unexpected(wanted.error());
    for (const DriveOption& drive : *wanted) {
        auto disk = open_drive(drive);
        if (!disk) return std::unexpected(disk.error());
        inputs.files.push_back(std::move(*disk));
        inputs.request.disks.push_back({drive.path, drive.read_only, drive.attachment});
    }
    if (inputs.request.descriptor_count() > host::ControlSocket::maximum_descriptors)
        return fail(fmt::format("{} disks are too many", wanted->size()));
    if (!options.gdb.empty()) {
        auto gdb = host::ListeningSocket::open(options.gdb);
        if (!gdb) return fail(fmt::format("--gdb: {}", gdb.error().message));
        inputs.gdb = std::move(*gdb);
        using Debugger = machine::StartRequest::Debugger;
        inputs.request.debugger = options.gdb_wait ? Debugger::awaited : Debugger::allowed;
    }
    return inputs;
}

}  // namespace softmetal
