#include "vnc_door.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fstream>

namespace softmetal {
namespace {

constexpr unsigned first_port = 5900;

}  // namespace

std::string vnc_address(const std::string& option) {
    const std::size_t colon = option.starts_with("unix:") ? std::string::npos : option.rfind(':');
    const std::string number = colon == std::string::npos ? option : option.substr(colon + 1);
    const bool display = !number.empty() && number.size() <= 2 &&
                         std::ranges::all_of(number, [](char c) { return c >= '0' && c <= '9'; });
    if (!display) return option;
    const std::string host = colon == std::string::npos ? "" : option.substr(0, colon + 1);
    return fmt::format("{}{}", host, first_port + static_cast<unsigned>(std::stoi(number)));
}

Result<std::string> read_vnc_password(const std::string& path) {
    std::ifstream file(path);
    std::string password;
    if (!file || !std::getline(file, password)) return fail(fmt::format("cannot read '{}'", path));
    if (password.ends_with('\r')) password.pop_back();
    if (password.empty() || password.size() > display::longest_vnc_password)
        return fail(fmt::format("a VNC password has 1 to {} characters, the one in '{}' has {}",
                                display::longest_vnc_password, path, password.size()));
    return password;
}

Result<std::unique_ptr<VncDoor>> VncDoor::create(std::unique_ptr<host::ListeningSocket> listener,
                                                 const display::VncRequest& request) {
    auto control = host::ControlSocket::create_pair();
    if (!control) return std::unexpected(control.error());
    auto child = host::ChildProcess::start_self({"softmetal", "vnc-server"}, control->second.take_fd());
    if (!child) return std::unexpected(child.error());
    const std::array descriptors = {listener->fd()};
    if (auto sent = control->first.send(encode(request), descriptors); !sent)
        return std::unexpected(sent.error());
    return std::unique_ptr<VncDoor>(
        new VncDoor(std::move(listener), std::move(*child), std::move(control->first)));
}

Result<> VncDoor::show(int socket, int surface) {
    const std::array descriptors = {socket, surface};
    constexpr std::array<u8, 1> message{};
    return control_.send(message, descriptors);
}

std::optional<host::ProcessEnd> VncDoor::poll() {
    if (over_) return std::nullopt;
    const auto end = child_.poll();
    over_ = end.has_value();
    return end;
}

}  // namespace softmetal
