#include "gdb_door.hpp"

#include "host/byte_socket.hpp"

#include <array>

namespace softmetal {
namespace {

constexpr std::size_t buffer_bytes = 64 * 1024;

using host::TransferStatus;

}  // namespace

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
    const auto watch = [this](Side& from, Side& to) -> Result<> {
        auto made = loop_.watch(from.socket.get(), {.read = true},
                                [this, &from, &to](host::Readiness ready) { move(from, to, ready); });
        if (!made) return std::unexpected(made.error());
        from.watch = std::move(*made);
        return {};
    };
    if (auto watched = watch(debugger_, machine_); !watched) return watched;
    return watch(machine_, debugger_);
}

void GdbDoor::move(Side& from, Side& to, host::Readiness ready) {
    if (ready.write && !send(from)) return close();
    if (ready.read && !receive(from, to)) {
        if (&from == &debugger_) return close();
        machine_gone_ = true;
    }
    if (machine_gone_ && debugger_.to_it.empty()) return close();
    update_watches();
}

bool GdbDoor::receive(Side& from, Side& to) {
    std::array<u8, 16384> buffer;
    const host::Transfer transfer = host::receive_now(from.socket.get(), buffer);
    if (transfer.status == TransferStatus::again) return true;
    if (transfer.status != TransferStatus::moved) return false;
    to.to_it.insert(to.to_it.end(), buffer.begin(),
                    buffer.begin() + static_cast<std::ptrdiff_t>(transfer.count));
    return true;
}

bool GdbDoor::send(Side& side) {
    while (!side.to_it.empty()) {
        const host::Transfer transfer = host::send_now(side.socket.get(), side.to_it);
        if (transfer.status == TransferStatus::again) return true;
        if (transfer.status != TransferStatus::moved) return false;
        side.to_it.erase(side.to_it.begin(),
                         side.to_it.begin() + static_cast<std::ptrdiff_t>(transfer.count));
    }
    return true;
}

void GdbDoor::update_watches() {
    debugger_.watch->set_interest({machine_.to_it.size() < buffer_bytes, !debugger_.to_it.empty()});
    machine_.watch->set_interest(
        {!machine_gone_ && debugger_.to_it.size() < buffer_bytes, !machine_gone_ && !machine_.to_it.empty()});
}

void GdbDoor::finish() {
    if (!debugger_.socket.valid()) return;
    while (debugger_.to_it.size() < buffer_bytes) {
        const std::size_t before = debugger_.to_it.size();
        if (!receive(machine_, debugger_) || debugger_.to_it.size() == before) break;
    }
    [[maybe_unused]] const bool sent = send(debugger_);
    close();
}

void GdbDoor::close() {
    debugger_ = {};
    machine_ = {};
}

}  // namespace softmetal
