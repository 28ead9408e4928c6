#include "network_inputs.hpp"

#include "host/abstract_socket.hpp"
#include "host/input_file.hpp"
#include "network/name_server.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string_view>

namespace softmetal {
namespace {

bool has_network(const RunOptions& options) { return std::ranges::count(options.networks, "none") == 0; }

/// Has the firmware a use for the boot ROMs of network cards? They would only slow other boots down.
bool boots_from_network(const RunOptions& options) {
    return has_network(options) && (options.boot == machine::BootDevice::network || options.boot_menu);
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

}  // namespace

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

}  // namespace softmetal
