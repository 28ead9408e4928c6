#include "control_door.hpp"

#include "base/little_endian.hpp"
#include "host/byte_socket.hpp"
#include "host/child_process.hpp"

#include <array>
#include <filesystem>

namespace softmetal {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_visitors = 16;

}  // namespace

Result<std::unique_ptr<host::ListeningSocket>> open_control_socket(const std::string& path) {
    fs::path place = path;
    std::error_code error;
    if (path.empty()) {
        const auto directory = display::control_directory();
        if (!directory) return nullptr;
        fs::create_directory(*directory, error);
        place = *directory / std::to_string(host::process_id());
    }
    auto listener = host::ListeningSocket::open("unix:" + place.string());
    // Nobody has asked for the one by default.
    if (!listener && path.empty()) return nullptr;
    if (listener) fs::permissions(place, fs::perms::owner_read | fs::perms::owner_write, error);
    return listener;
}

Result<std::unique_ptr<ControlDoor>> ControlDoor::create(host::EventLoop& loop,
                                                         std::unique_ptr<host::ListeningSocket> listener,
                                                         Machine machine) {
    std::unique_ptr<ControlDoor> door(new ControlDoor(loop, std::move(listener), std::move(machine)));
    auto watch =
        loop.watch(door->listener_->fd(), {.read = true}, [d = door.get()](host::Readiness) { d->let_in(); });
    if (!watch) return std::unexpected(watch.error());
    door->listener_watch_ = std::move(*watch);
    return door;
}

/// Whoever is not let in sees the connection closed.
void ControlDoor::let_in() {
    std::erase_if(visitors_, [](const Visitor& visitor) { return visitor.done; });
    host::UniqueFd socket = listener_->accept();
    if (!socket.valid() || visitors_.size() >= most_visitors) return;
    Visitor& visitor = visitors_.emplace_back(std::move(socket));
    auto watch = loop_.watch(visitor.socket.get(), {.read = true},
                             [this, &visitor](host::Readiness) { hear(visitor); });
    if (watch)
        visitor.watch = std::move(*watch);
    else
        visitors_.pop_back();
}

void ControlDoor::hear(Visitor& visitor) {
    std::array<u8, 1 + sizeof(u64)> request{};
    const host::Transfer got = host::receive_now(visitor.socket.get(), request);
    if (got.status == host::TransferStatus::again) return;
    if (got.status == host::TransferStatus::moved)
        answer(std::span(request).first(got.count), host::ControlSocket(std::move(visitor.socket)));
    visitor.watch->set_interest({});
    visitor.socket = host::UniqueFd();
    visitor.done = true;
}

void ControlDoor::answer(std::span<const u8> request, host::ControlSocket conversation) {
    using display::ControlRequest;
    const auto kind = request.first(1);
    switch (ControlRequest{kind[0]}) {
        case ControlRequest::view_screen:
            if (auto viewer = machine_.attach_viewer()) {
                const std::array descriptors = {viewer->fd(), viewer->surface().fd()};
                [[maybe_unused]] const auto sent = conversation.send(kind, descriptors);
            }
            return;
        case ControlRequest::set_memory: {
            if (request.size() != 1 + sizeof(u64)) return;
            if (machine_.set_memory(from_little_endian<u64>(request.subspan<1, sizeof(u64)>())))
                [[maybe_unused]]
                const auto sent = conversation.send(kind);
            return;
        }
        case ControlRequest::report_memory: return machine_.report_memory(std::move(conversation));
    }
}

}  // namespace softmetal
