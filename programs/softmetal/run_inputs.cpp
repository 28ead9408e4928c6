#include "run_inputs.hpp"

#include "control_door.hpp"
#include "disk/nbd_address.hpp"
#include "display/keyboard_layout.hpp"
#include "drive_options.hpp"
#include "host/abstract_socket.hpp"
#include "host/control_socket.hpp"
#include "host/input_file.hpp"
#include "memory_size.hpp"
#include "network/name_server.hpp"
#include "vnc_door.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string_view>

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

bool has_network(const RunOptions& options) { return std::ranges::count(options.networks, "none") == 0; }

/// Has the firmware a use for the boot ROMs of network cards? They would only slow other boots down.
bool boots_from_network(const RunOptions& options) {
    return has_network(options) && (options.boot == machine::BootDevice::network || options.boot_menu);
}

/// The one `named` by the user, or iPXE as Debian builds it for the card. The boot menu does without.
Result<> open_network_rom(const RunOptions& options, RunInputs& inputs) {
    if (options.boot == machine::BootDevice::network && !has_network(options))
        return fail("--boot network: there is no network with --network none");
    if (!boots_from_network(options)) return {};
    const bool e1000 = options.network_card == machine::NetworkCardModel::e1000;
    const std::string path = options.network_rom.value_or(e1000 ? "/usr/lib/ipxe/qemu/pxe-e1000.rom"
                                                                : "/usr/lib/ipxe/qemu/pxe-virtio.rom");
    auto rom = host::open_input_file("network boot ROM", path, host::FileAccess::read);
    if (!rom && !options.network_rom) {
        if (options.boot != machine::BootDevice::network) return {};
        return fail(rom.error().message +
                    "; install Debian's package ipxe-qemu, or name another with --network-rom");
    }
    if (!rom) return std::unexpected(rom.error());
    inputs.files.push_back(std::move(*rom));
    inputs.request.has_network_rom = true;
    return {};
}

/// Locally administered, and the same for every run of the same guest: some give their cards' settings to an
/// address. But no two machines of a user that run at once have the same: `keep` is what holds it.
Result<bus::MacAddress> mac_address(const RunOptions& options, std::size_t card, host::UniqueFd& keep) {
    std::string who = options.kernel.value_or("");
    if (!options.disks.empty()) who = options.disks.front();
    if (!options.images.empty()) who = options.images.front();
    std::error_code error;
    who = std::filesystem::absolute(who, error).string();
    constexpr std::size_t most_machines = 10'000;
    for (std::size_t machine = 0; machine < most_machines; machine++) {
        const u64 hash = std::hash<std::string>{}(fmt::format("{}#{}#{}", who, card, machine));
        const bus::MacAddress mac = {
            0x52, 0x54, 0x00, static_cast<u8>(hash), static_cast<u8>(hash >> 8), static_cast<u8>(hash >> 16)};
        auto claimed = host::claim_name(fmt::format("mac-{:02x}", fmt::join(mac, "")));
        if (!claimed) return std::unexpected(claimed.error());
        if (!*claimed) continue;
        keep = std::move(**claimed);
        return mac;
    }
    return fail("no address is left for a network card");
}

bool is_switch_name(std::string_view name) {
    constexpr std::size_t longest = 32;
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_';
    };
    return !name.empty() && name.size() <= longest && std::ranges::all_of(name, allowed);
}

Result<RunInputs::Network> nat(const RunOptions& options) {
    RunInputs::Network result;
    network::NetworkRequest& request = result.nat.emplace();
    request.nat.name_server = network::name_server_of_host();
    if (options.boot_file.size() > network::Nat::Config::longest_boot_file)
        return fail(fmt::format("--boot-file: {} characters are more than the {} that DHCP can tell",
                                options.boot_file.size(), network::Nat::Config::longest_boot_file));
    request.nat.boot_file = options.boot_file;
    for (const std::string& text : options.forwards) {
        auto forward = network::parse_port_forward(text);
        if (!forward) return fail(fmt::format("--forward: {}", forward.error().message));
        request.nat.forwards.push_back(std::move(*forward));
    }
    return result;
}

/// One word of --network.
Result<RunInputs::Network> network_of(const RunOptions& options, std::string_view kind) {
    if (kind == "nat") return nat(options);
    constexpr std::string_view switched = "switch=";
    if (!kind.starts_with(switched))
        return fail(fmt::format("--network: '{}' is not nat, switch=NAME or none", kind));
    const std::string_view name = kind.substr(switched.size());
    if (!is_switch_name(name))
        return fail(fmt::format(
            "--network: a switch has a name of 1 to 32 letters, digits, - and _, not '{}'", name));
    return RunInputs::Network{.nat = {}, .switch_name = std::string(name), .capture = {}, .address = {}};
}

Result<> add_networks(const RunOptions& options, RunInputs& inputs) {
    const auto count = [&options](const char* kind) { return std::ranges::count(options.networks, kind); };
    if (count("none") > 0 && options.networks.size() > 1)
        return fail("--network: none, or others, but not both");
    if (count("nat") > 1) return fail("--network: nat can be there once");
    if (count("nat") == 0 && !options.forwards.empty()) return fail("--forward: there is no --network nat");
    if (count("nat") == 0 && !options.boot_file.empty())
        return fail("--boot-file: there is no --network nat");
    if (count("none") > 0) {
        if (!options.capture.empty()) return fail("--capture: there is no network with --network none");
        return {};
    }
    for (const std::string& kind : options.networks) {
        auto network = network_of(options, kind);
        if (!network) return std::unexpected(network.error());
        const auto mac = mac_address(options, inputs.networks.size(), network->address);
        if (!mac) return std::unexpected(mac.error());
        inputs.request.network_cards.push_back({options.network_card, *mac});
        inputs.networks.push_back(std::move(*network));
    }
    if (options.capture.empty()) return {};
    auto capture = host::create_output_file("capture file", options.capture);
    if (!capture) return std::unexpected(capture.error());
    inputs.networks.front().capture = std::move(*capture);
    if (auto& nat = inputs.networks.front().nat) nat->has_capture = true;
    return {};
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
              .kernel_name = std::filesystem::path(options.kernel.value_or("")).filename().string()};

    if (!options.kernel) {
        auto firmware = open_firmware(options.firmware);
        if (!firmware) return std::unexpected(firmware.error());
        inputs.files.push_back(std::move(*firmware));
        inputs.request.has_firmware = true;
        if (auto video_bios = host::open_input_file("video BIOS", video_bios_path, host::FileAccess::read)) {
            inputs.files.push_back(std::move(*video_bios));
            inputs.request.has_video_bios = true;
        }
        if (auto opened = open_network_rom(options, inputs); !opened) return std::unexpected(opened.error());
    } else {
        if (options.boot == machine::BootDevice::network)
            return fail("--boot network: there is a --kernel to boot");
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
