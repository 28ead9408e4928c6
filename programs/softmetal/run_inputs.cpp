#include "run_inputs.hpp"

#include "control_door.hpp"
#include "disk/nbd_address.hpp"
#include "display/keyboard_layout.hpp"
#include "drive_options.hpp"
#include "host/control_socket.hpp"
#include "host/input_file.hpp"
#include "memory_size.hpp"
#include "network_inputs.hpp"
#include "vnc_door.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace softmetal {
namespace {

constexpr std::size_t longest_command_line =
    4096;  // no x86 kernel takes more (boot protocol cmdline_size: 2047)

Result<> open_vnc(const RunOptions& options, RunInputs& inputs) {
    if (!display::KeyboardLayout::named(options.keyboard))
        return fail(fmt::format("--keyboard: '{}' is not one of {}", options.keyboard,
                                fmt::join(display::KeyboardLayout::names(), ", ")));
    inputs.vnc_request.keyboard = options.keyboard;
    if (!options.vnc_password_file.empty()) {
        auto password = read_vnc_password(options.vnc_password_file);
        if (!password) return fail(fmt::format("--vnc-password-file: {}", password.error().message));
        inputs.vnc_request.password = std::move(*password);
    }
    auto listener = host::ListeningSocket::open(vnc_address(options.vnc));
    if (!listener) return fail(fmt::format("--vnc: {}", listener.error().message));
    inputs.vnc = std::move(*listener);
    return {};
}

/// The one for our display adapter that Debian's SeaBIOS brings along. Without it firmware shows nothing.
constexpr const char* video_bios_path = "/usr/share/seabios/vgabios-stdvga.bin";

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

Result<> add_serial_lines(const RunOptions& options, RunInputs& inputs) {
    auto lines = open_serial_lines(options.serial, options.console);
    if (!lines) return std::unexpected(lines.error());
    inputs.request.terminal = lines->terminal;
    using Kind = machine::StartRequest::SerialLine::Kind;
    for (const SerialLine& line : lines->others)
        inputs.request.serial_lines.push_back({line.port, line.listener ? Kind::socket : Kind::file});
    inputs.serial_lines = std::move(lines->others);
    return {};
}

}  // namespace

Result<> RunInputs::connect_again() {
    for (auto& [index, drive] : connections) {
        auto connected = open_drive(drive);
        if (!connected) return std::unexpected(connected.error());
        files[index] = std::move(*connected);
    }
    return {};
}

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
              .boot_menu = options.boot_menu,
              .kernel_by_firmware = options.kernel_by_firmware,
              .kernel_name = std::filesystem::path(options.kernel.value_or("")).filename().string()};

    if (options.kernel && options.boot == machine::BootDevice::network)
        return fail("--boot network: there is a --kernel to boot");
    // Whether a kernel needs firmware, only the VM process will know: nobody else looks into such files.
    const bool needs_firmware = !options.kernel || options.kernel_by_firmware;
    if (auto firmware = open_firmware(options.firmware)) {
        inputs.files.push_back(std::move(*firmware));
        inputs.request.has_firmware = true;
        if (auto video_bios = host::open_input_file("video BIOS", video_bios_path, host::FileAccess::read)) {
            inputs.files.push_back(std::move(*video_bios));
            inputs.request.has_video_bios = true;
        }
    } else if (needs_firmware) {
        return std::unexpected(firmware.error());
    }
    if (!options.kernel) {
        if (auto opened = open_network_rom(options, inputs); !opened) return std::unexpected(opened.error());
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
    for (const std::string& text : options.firmware_files) {
        const auto equals = text.find('=');
        if (equals == 0 || equals == text.npos)
            return fail(fmt::format("--firmware-file: '{}' is not NAME=FILE", text));
        auto file = host::open_input_file("firmware file", text.substr(equals + 1), host::FileAccess::read);
        if (!file) return std::unexpected(file.error());
        inputs.files.push_back(std::move(*file));
        inputs.request.firmware_files.push_back(text.substr(0, equals));
    }
    const auto wanted = drives(options);
    if (!wanted) return std::unexpected(wanted.error());
    for (const DriveOption& drive : *wanted) {
        auto disk = open_drive(drive);
        if (!disk) return std::unexpected(disk.error());
        std::optional<std::string> nbd_export;
        if (is_on_server(drive)) {
            nbd_export = disk::parse_nbd_address(drive.path)->export_name;
            inputs.connections.emplace_back(inputs.files.size(), drive);
        }
        inputs.files.push_back(std::move(*disk));
        inputs.request.disks.push_back({drive.path, drive.read_only, drive.attachment, nbd_export});
    }
    if (auto added = add_networks(options, inputs); !added) return std::unexpected(added.error());
    if (inputs.request.descriptor_count() > host::ControlSocket::maximum_descriptors)
        return fail(fmt::format("{} disks and firmware files are too many",
                                wanted->size() + options.firmware_files.size()));
    if (!options.gdb.empty()) {
        auto gdb = host::ListeningSocket::open(options.gdb);
        if (!gdb) return fail(fmt::format("--gdb: {}", gdb.error().message));
        inputs.gdb = std::move(*gdb);
        using Debugger = machine::StartRequest::Debugger;
        inputs.request.debugger = options.gdb_wait ? Debugger::awaited : Debugger::allowed;
    }
    if (auto added = add_serial_lines(options, inputs); !added) return std::unexpected(added.error());
    auto control = open_control_socket(options.control);
    if (!control) return fail(fmt::format("--control: {}", control.error().message));
    inputs.control = std::move(*control);
    if (!options.vnc.empty()) {
        if (auto opened = open_vnc(options, inputs); !opened) return std::unexpected(opened.error());
    }
    return inputs;
}

}  // namespace softmetal
