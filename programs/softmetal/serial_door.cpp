#include "serial_door.hpp"

#include "host/byte_socket.hpp"

namespace softmetal {

Result<std::unique_ptr<SerialDoor>> SerialDoor::create(host::EventLoop& loop,
                                                       std::unique_ptr<host::ListeningSocket> listener) {
    std::unique_ptr<SerialDoor> door(new SerialDoor(loop, std::move(listener)));
    auto watch =
        loop.watch(door->listener_->fd(), {.read = true}, [d = door.get()](host::Readiness) { d->let_in(); });
    if (!watch) return std::unexpected(watch.error());
    door->listener_watch_ = std::move(*watch);
    return door;
}

Result<host::UniqueFd> SerialDoor::connect_machine() {
    auto pair = host::create_byte_socket_pair();
    if (!pair) return std::unexpected(pair.error());
    machine_ = {};
    machine_.socket = std::move(pair->first);
    if (auto watched = watch(machine_, visitor_); !watched) return std::unexpected(watched.error());
    update_watches();
    return std::move(pair->second);
}

/// Whoever is not let in sees the connection closed.
void SerialDoor::let_in() {
    host::UniqueFd visitor = listener_->accept();
    if (!visitor.valid() || visitor_.socket.valid()) return;
    visitor_.socket = std::move(visitor);
    if (!watch(visitor_, machine_)) visitor_ = {};
    update_watches();
}

Result<> SerialDoor::watch(RelaySide& side, RelaySide& other) {
    auto made = loop_.watch(side.socket.get(), {.read = true},
                            [this, &side, &other](host::Readiness ready) { move(side, other, ready); });
    if (!made) return std::unexpected(made.error());
    side.watch = std::move(*made);
    return {};
}

void SerialDoor::move(RelaySide& from, RelaySide& to, host::Readiness ready) {
    if ((ready.write && !from.send()) || (ready.read && !from.receive_for(to))) from = {};
    if (!to.socket.valid()) to.to_it.clear();
    update_watches();
}

void SerialDoor::update_watches() {
    const auto update = [](const RelaySide& side, const RelaySide& other) {
        if (side.watch) side.watch->set_interest({other.has_room(), !side.to_it.empty()});
    };
    update(visitor_, machine_);
    update(machine_, visitor_);
}

void SerialDoor::finish() {
    if (visitor_.socket.valid()) {
        if (machine_.socket.valid()) machine_.receive_all_for(visitor_);
        if (!visitor_.send()) visitor_ = {};
    }
    machine_ = {};
    update_watches();
}

}  // namespace softmetal
