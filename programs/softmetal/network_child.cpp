#include "network_child.hpp"

#include "host/frame_socket.hpp"

#include <fmt/format.h>

namespace softmetal {

Result<std::unique_ptr<NetworkChild>> NetworkChild::start(const network::NetworkRequest& request,
                                                          int capture) {
    auto control = host::ControlSocket::create_pair();
    if (!control) return std::unexpected(control.error());
    auto cable = host::create_frame_socket_pair();
    if (!cable) return std::unexpected(cable.error());
    auto process =
        host::ChildProcess::start_self({"softmetal", "network-process"}, control->second.take_fd());
    if (!process) return std::unexpected(process.error());
    std::vector<int> descriptors = {cable->second.get()};
    if (request.has_capture) descriptors.push_back(capture);
    if (auto sent = control->first.send(encode(request), descriptors); !sent)
        return std::unexpected(sent.error());
    { const host::UniqueFd theirs = std::move(cable->second); }  // closed: the process' death is seen
    auto answer = control->first.receive();
    if (!answer) return std::unexpected(answer.error());
    const auto report = *answer ? network::decode_network_report((*answer)->bytes) : std::nullopt;
    if (!report) return fail(fmt::format("the network process died: it {}", process->wait().description()));
    if (!report->error.empty()) return fail(report->error);
    return std::unique_ptr<NetworkChild>(
        new NetworkChild(std::move(*process), std::move(control->first), std::move(cable->first)));
}

std::optional<std::string> NetworkChild::take_death() {
    if (death_told_) return std::nullopt;
    const auto end = process_.poll();
    if (!end) return std::nullopt;
    death_told_ = true;
    return end->description();
}

}  // namespace softmetal
