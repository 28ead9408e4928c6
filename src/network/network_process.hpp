// The process that is a guest's network: it has sockets of the host's, which the VM process must not have,
// and the other end of the card's cable. It knows nothing of the guest but its frames, and believes none of
// them.
//
// parent -> network process: one NetworkRequest with descriptors. network process -> parent: a NetworkReport
// once it works, or does not. The end of that conversation ends the process.
#pragma once

#include "base/result.hpp"
#include "host/control_socket.hpp"
#include "network/nat.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace softmetal::network {

/// Followed by the descriptors of the cable's socket and, where there is one, the file to capture frames in.
struct NetworkRequest {
    Nat::Config nat;
    bool has_capture = false;
};

struct NetworkReport {
    std::string error;  // empty: it works
    std::vector<std::string> refused_defences;
};

[[nodiscard]] std::vector<u8> encode(const NetworkRequest& request);
[[nodiscard]] std::vector<u8> encode(const NetworkReport& report);
// None where the bytes are no such message.
[[nodiscard]] std::optional<NetworkRequest> decode_network_request(std::span<const u8> bytes);
[[nodiscard]] std::optional<NetworkReport> decode_network_report(std::span<const u8> bytes);

/// The whole life of that process; its exit status.
[[nodiscard]] int run_network_process(host::ControlSocket control);

}  // namespace softmetal::network
