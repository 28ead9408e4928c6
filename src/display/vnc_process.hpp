// The jailed process that serves VNC viewers: what `softmetal vnc-server` runs. It can accept on the socket
// it was given, look at the surface and send keys and pointer to the machine; it can open and connect
// nothing.
#pragma once

#include "base/result.hpp"
#include "host/control_socket.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace softmetal::display {

/// The first message of the parent's, with the listening socket's descriptor. Every further one is a
/// byte and brings the socket and the surface of a machine that starts.
struct VncRequest {
    std::string keyboard;  // one of KeyboardLayout::names()
    std::string password;  // empty: none
};
inline constexpr std::size_t longest_vnc_password = 8;  // RFB 3.8, 7.2.2: a DES key

[[nodiscard]] std::vector<u8> encode(const VncRequest& request);
[[nodiscard]] std::optional<VncRequest> decode_vnc_request(std::span<const u8> bytes);

/// Runs until the parent is gone. The result is the process' exit status.
[[nodiscard]] int run_vnc_process(host::ControlSocket control);

}  // namespace softmetal::display
