// Which name server a guest behind NAT is told of.
#pragma once

#include <string>
#include <string_view>

namespace softmetal::network {

/// From texts as resolv.conf(5) has them: the first IPv4 server that others than this host can ask too. Where
/// the host asks itself, `upstream` (systemd-resolved's list) says whom it asks, and else the host's own
/// address in the guest's network is the answer. Empty where no server is named.
[[nodiscard]] std::string choose_name_server(std::string_view resolv_conf, std::string_view upstream);

/// The same, of this host.
[[nodiscard]] std::string name_server_of_host();

}  // namespace softmetal::network
