#include "network/port_forward.hpp"

#include <charconv>
#include <fmt/format.h>
#include <optional>

namespace softmetal::network {

namespace {

std::optional<u32> number_up_to(std::string_view text, u32 most) {
    u32 value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value > most) return {};
    return value;
}

bool is_ipv4(std::string_view text) {
    for (unsigned part = 0; part < 4; part++) {
        const auto dot = text.find('.');
        if ((dot == text.npos) != (part == 3) || !number_up_to(text.substr(0, dot), 255)) return false;
        text.remove_prefix(dot == text.npos ? text.size() : dot + 1);
    }
    return text.empty();
}

/// A port, 1 to 65535.
std::optional<u16> port(std::string_view text) {
    const auto number = number_up_to(text, 65535);
    if (!number || *number == 0) return {};
    return static_cast<u16>(*number);
}

}  // namespace

Result<PortForward> parse_port_forward(std::string_view text) {
    const std::string whole(text);
    PortForward forward;
    if (const auto slash = text.find('/'); slash != text.npos) {
        const std::string_view protocol = text.substr(slash + 1);
        if (protocol != "tcp" && protocol != "udp")
            return fail(fmt::format("'{}': the protocol is tcp or udp, not '{}'", whole, protocol));
        forward.udp = protocol == "udp";
        text = text.substr(0, slash);
    }
    const auto last = text.rfind(':');
    if (last == text.npos)
        return fail(fmt::format("'{}' is not [ADDRESS:]HOST-PORT:GUEST-PORT[/udp], as 2222:22", whole));
    const auto guest_port = port(text.substr(last + 1));
    text = text.substr(0, last);
    const auto middle = text.rfind(':');
    if (middle != text.npos) {
        forward.host_address = text.substr(0, middle);
        if (!is_ipv4(forward.host_address))
            return fail(fmt::format("'{}': '{}' is not an IPv4 address", whole, forward.host_address));
        text = text.substr(middle + 1);
    }
    const auto host_port = port(text);
    if (!guest_port || !host_port)
        return fail(fmt::format("'{}': a port is a number from 1 to 65535", whole));
    forward.host_port = *host_port;
    forward.guest_port = *guest_port;
    return forward;
}

std::string to_string(const PortForward& f) {
    return fmt::format("{}:{}:{}{}", f.host_address, f.host_port, f.guest_port, f.udp ? "/udp" : "");
}

}  // namespace softmetal::network
