#include "network/name_server.hpp"

#include <fstream>
#include <sstream>

namespace softmetal::network {

namespace {

/// What NAT gives the guest as the host's address: connections there are made to 127.0.0.1.
constexpr const char* host_as_guests_know_it = "10.0.2.2";

struct Found {
    std::string reachable;
    bool loopback = false;
};

Found find_server(std::string_view text) {
    Found found;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string keyword, address;
        if (!(words >> keyword >> address) || keyword != "nameserver") continue;
        if (address.find(':') != address.npos) continue;  // IPv6
        if (address.starts_with("127."))
            found.loopback = true;
        else if (found.reachable.empty())
            found.reachable = address;
    }
    return found;
}

std::string read(const char* path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

std::string choose_name_server(std::string_view resolv_conf, std::string_view upstream) {
    const Found own = find_server(resolv_conf);
    if (!own.reachable.empty()) return own.reachable;
    const Found behind = find_server(upstream);
    if (!behind.reachable.empty()) return behind.reachable;
    return own.loopback ? host_as_guests_know_it : "";
}

std::string name_server_of_host() {
    return choose_name_server(read("/etc/resolv.conf"), read("/run/systemd/resolve/resolv.conf"));
}

}  // namespace softmetal::network
