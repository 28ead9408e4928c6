#include "network/network_process.hpp"

#include "host/jail.hpp"
#include "host/poll_set.hpp"
#include "network/cable.hpp"

namespace softmetal::network {

namespace {

constexpr int parent_is_gone = 1;
/// Frames of the guest's that are looked at before sockets have their turn.
constexpr unsigned burst = 256;
/// Until the parent is gone.
void serve(host::ControlSocket& control, Cable& cable, Nat& nat) {
    host::PollSet set;
    for (bool more = false;;) {
        set.clear();
        const int parent = set.add(control.fd(), {.read = true});
        if (!cable.closed()) set.add(cable.fd(), {.read = true, .write = cable.waits_for_room()});
        const u32 patience = nat.prepare(set);
        cable.flush_capture();
        const bool ready = set.wait(more ? 0 : patience);
        const auto of_parent = set.events(parent);
        if (ready && (of_parent.read || of_parent.hang_up || of_parent.error)) return;
        cable.send_waiting();
        more = true;
        for (unsigned i = 0; i < burst && more; i++) {
            const auto frame = cable.front();
            more = !frame.empty();
            if (!more) break;
            nat.input(frame);
            cable.pop();
        }
        nat.dispatch(set, ready);
    }
}

}  // namespace

int run_network_process(host::ControlSocket control) {
    auto received = control.receive();
    if (!received || !*received) return parent_is_gone;
    auto& descriptors = (*received)->descriptors;
    const auto request = decode_network_request((*received)->bytes);
    if (!request || descriptors.size() != (request->has_capture ? 2u : 1u)) return parent_is_gone;
    Cable cable(std::move(descriptors[0]),
                request->has_capture ? std::move(descriptors[1]) : host::UniqueFd());

    NetworkReport report;
    auto nat = Nat::create(request->nat, [&cable](std::span<const std::byte> frame) { cable.send(frame); });
    if (!nat) report.error = nat.error().message;
    if (nat) {
        auto jailed = host::enter_jail(host::Jail::network);
        if (jailed)
            report.refused_defences = std::move(jailed->refused);
        else
            report.error = jailed.error().message;
    }
    if (!control.send(encode(report))) return parent_is_gone;
    if (report.error.empty()) serve(control, cable, **nat);
    return 0;
}

}  // namespace softmetal::network
