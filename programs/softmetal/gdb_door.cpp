#include "gdb_door.hpp"

#include "host/byte_socket.hpp"

namespace softmetal {

Result<std::unique_ptr<GdbDoor>> GdbDoor::create(host::EventLoop& loop,
                                                 std::unique_ptr<host::ListeningSocket> listener,
                                                 PassOn pass_on) {
    std::unique_ptr<GdbDoor> door(new GdbDoor(loop, std::move(listener), std::move(pass_on)));
    auto watch =
        loop.watch(door->listener_->fd(), {.read = true}, [d = door.get()](host::Readiness) { d->let_in(); });
    if (!watch) return std::unexpected(watch.error());
    door->listener_watch_ = std::move(*watch);
    return door;
}

/// Whoever is not let in sees the connection closed.
void GdbDoor::let_in() {
    host::UniqueFd debugger = listener_->accept();
    if (!debugger.valid() || debugger_.socket.valid()) return;
    auto pair = host::create_byte_socket_pair();
    if (!pair || !pass_on_(pair->second.get())) return;
    if (!relay(std::move(debugger), std::move(pair->first))) close();
}

Result<> GdbDoor::relay(host::UniqueFd debugger, host::UniqueFd machine) {
    debugger_.socket = std::move(debugger);
    machine_.socket = std::move(machine);
    machine_gone_ = false;
    const auto watch = [this](RelaySide& from, RelaySide& to) -> Result<> {
        auto made = loop_.watch(from.socket.get(), {.read = true},
                                [this, &from, &to](host::Readiness ready) { move(from, to, ready); });
        if (!made) return std::unexpected(made.error());
        from.watch = std::move(*made);
        return {};
    };
    if (auto watched = watch(debugger_, machine_); !watched) return watched;
    return watch(machine_, debugger_);
}

void GdbDoor::move(RelaySide& from, RelaySide& to, host::Readiness ready) {
    if (ready.write && !from.send()) return close();
    if (ready.read && !from.receive_for(to)) {
        if (&from == &debugger_) return close();
        machine_gone_ = true;
    }
    if (machine_gone_ && debugger_.to_it.empty()) return close();
    update_watches();
}

void GdbDoor::update_watches() {
    debugger_.watch->set_interest({machine_.has_room(), !debugger_.to_it.empty()});
    machine_.watch->set_interest(
        {!machine_gone_ && debugger_.has_room(), !machine_gone_ && !machine_.to_it.empty()});
}

void GdbDoor::finish() {
    if (!debugger_.socket.valid()) return;
    machine_.receive_all_for(debugger_);
    [[maybe_unused]] const bool sent = debugger_.send();
    close();
}

void GdbDoor::close() {
    debugger_ = {};
    machine_ = {};
}

}  // namespace softmetal
