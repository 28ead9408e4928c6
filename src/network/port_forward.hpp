// A port of the host's that leads to one of the guest's: "2222:22", "127.0.0.1:8080:80", "5353:53/udp".
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"

#include <string>
#include <string_view>

namespace softmetal::network {

struct PortForward {
    std::string host_address = "127.0.0.1";  // IPv4, dotted
    u16 host_port = 0, guest_port = 0;
    bool udp = false;
    bool operator==(const PortForward&) const = default;
};

/// [ADDRESS:]HOST-PORT:GUEST-PORT[/tcp|/udp]. The error says what is wrong with it.
[[nodiscard]] Result<PortForward> parse_port_forward(std::string_view text);
[[nodiscard]] std::string to_string(const PortForward& forward);

}  // namespace softmetal::network
