// The network process of a running machine, and the guest's end of its cable.
#pragma once

#include "host/child_process.hpp"
#include "host/control_socket.hpp"
#include "network/network_process.hpp"

#include <memory>
#include <optional>
#include <string>

namespace softmetal {

class NetworkChild {
 public:
    /// Returns once it works; the error is why it does not. `capture` is a file of the caller's, or -1.
    [[nodiscard]] static Result<std::unique_ptr<NetworkChild>> start(const network::NetworkRequest& request,
                                                                     int capture);

    /// For each life of the machine; stays this object's.
    [[nodiscard]] int cable() const { return cable_.get(); }
    /// Once, after it has died of itself: how.
    [[nodiscard]] std::optional<std::string> take_death();

 private:
    NetworkChild(host::ChildProcess process, host::ControlSocket control, host::UniqueFd cable)
        : process_(std::move(process)), control_(std::move(control)), cable_(std::move(cable)) {}

    host::ChildProcess process_;
    host::ControlSocket control_;  // its end is the process' end
    host::UniqueFd cable_;
    bool death_told_ = false;
};

}  // namespace softmetal
