#include "control_door.hpp"

#include "host/byte_socket.hpp"
#include "host/child_process.hpp"
#include "host/control_socket.hpp"

#include <array>
#include <cstdlib>

namespace softmetal {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_visitors = 16;

}  // namespace

std::optional<fs::path> control_directory() {
    const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
    if (!runtime || !*runtime) return std::nullopt;
    return fs::path(runtime) / "softmetal";
}

Result<std::unique_ptr<host::ListeningSocket>> open_control_socket(const std::string& path) {
    fs::path place = path;
    std::error_code error;
    if (path.empty()) {
        const auto directory = control_directory();
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
                                                         AttachViewer attach_viewer) {
    std::unique_ptr<ControlDoor> door(new ControlDoor(loop, std::move(listener), std::move(attach_viewer)));
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
                             [this, &visitor](host::Readiness) { answer(visitor); });
    if (watch)
        visitor.watch = std::move(*watch);
    else
        visitors_.pop_back();
}

void ControlDoor::answer(Visitor& visitor) {
    std::array<u8, 1> request{};
    const host::Transfer got = host::receive_now(visitor.socket.get(), request);
    if (got.status == host::TransferStatus::again) return;
    if (got.status == host::TransferStatus::moved &&
        ControlRequest{request[0]} == ControlRequest::view_screen) {
        host::ControlSocket conversation(std::move(visitor.socket));
        if (auto viewer = attach_viewer_()) {
            const std::array descriptors = {viewer->fd(), viewer->surface().fd()};
            (void)conversation.send(request, descriptors);
        }
    }
    visitor.watch->set_interest({});
    visitor.socket = host::UniqueFd();
    visitor.done = true;
}

}  // namespace softmetal
