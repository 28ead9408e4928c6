#include "disk/nbd_address.hpp"

#include <charconv>
#include <fmt/format.h>
#include <optional>

namespace softmetal::disk {

namespace {

constexpr const char* default_port = "10809";

/// With %XX replaced; none where a % is followed by something else.
std::optional<std::string> decoded(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        if (text.front() != '%') {
            result += text.front();
            text.remove_prefix(1);
            continue;
        }
        unsigned value = 0;
        const std::string_view digits = text.substr(1, 2);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
        if (error != std::errc() || digits.size() != 2 || end != digits.data() + 2 || value == 0)
            return std::nullopt;
        result += static_cast<char>(value);
        text.remove_prefix(3);
    }
    return result;
}

/// The part before `separator`, which `text` loses with it; all of it where there is none.
std::string_view take_until(std::string_view& text, char separator) {
    const auto at = text.find(separator);
    const std::string_view front = text.substr(0, at);
    text = at == text.npos ? std::string_view() : text.substr(at + 1);
    return front;
}

std::unexpected<Error> bad(std::string_view whole, std::string_view why) {
    return fail(fmt::format("'{}': {}", whole, why));
}

/// HOST, HOST:PORT, [IPV6] or [IPV6]:PORT.
bool take_host_and_port(std::string_view text, NbdAddress& address) {
    address.port = default_port;
    std::string_view rest;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == text.npos) return false;
        address.host = text.substr(1, end - 1);
        rest = text.substr(end + 1);
    } else {
        const auto colon = text.find(':');
        address.host = text.substr(0, colon);
        rest = colon == text.npos ? std::string_view() : text.substr(colon);
    }
    if (address.host.empty()) return false;
    if (rest.empty()) return true;
    address.port = rest.substr(1);
    unsigned number = 0;
    const char* const end = address.port.data() + address.port.size();
    const auto [stopped, error] = std::from_chars(address.port.data(), end, number);
    return rest.front() == ':' && error == std::errc() && stopped == end && number >= 1 && number <= 65535;
}

}  // namespace

bool is_nbd_address(std::string_view text) {
    return text.starts_with("nbd:") || text.starts_with("nbd+") || text.starts_with("nbds:") ||
           text.starts_with("nbds+");
}

Result<NbdAddress> parse_nbd_address(std::string_view text) {
    const std::string_view whole = text;
    const auto begin = text.find("://");
    if (begin == text.npos)
        return bad(whole, "an NBD image is nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH");
    const std::string_view scheme = text.substr(0, begin);
    if (scheme.starts_with("nbds")) return bad(whole, "NBD with TLS is not supported");
    if (scheme != "nbd" && scheme != "nbd+unix") return bad(whole, "NBD goes over nbd:// or nbd+unix://");
    text.remove_prefix(begin + 3);
    std::string_view place = take_until(text, '?');
    const std::string_view query = text;
    const std::string_view authority = take_until(place, '/');
    NbdAddress address;
    const auto name = decoded(place);
    if (!name) return bad(whole, "a % is followed by two hexadecimal digits");
    address.export_name = *name;
    if (scheme == "nbd") {
        if (!query.empty()) return bad(whole, "nbd:// has no ?parameters");
        if (!take_host_and_port(authority, address)) return bad(whole, "it names no HOST or HOST:PORT");
        return address;
    }
    constexpr std::string_view socket = "socket=";
    const auto path = decoded(query.starts_with(socket) ? query.substr(socket.size()) : "");
    if (!authority.empty() || !path || path->empty())
        return bad(whole, "nbd+unix:// needs ?socket=PATH and no host");
    address.socket_path = *path;
    return address;
}

}  // namespace softmetal::disk
