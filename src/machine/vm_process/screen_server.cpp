#include "machine/vm_process/screen_server.hpp"

#include "host/byte_socket.hpp"
#include "host/thread_role.hpp"

#include <array>

namespace softmetal::machine {

using display::Record;
using host::TransferStatus;

namespace {

void append(std::vector<u8>& bytes, const Record& record) {
    const auto encoded = display::encode(record);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
}

}  // namespace

Result<std::unique_ptr<ScreenServer>> ScreenServer::create(bus::Screen& screen, bus::InputSink& input) {
    auto loop = host::EventLoop::create();
    if (!loop) return std::unexpected(loop.error());
    return std::unique_ptr<ScreenServer>(new ScreenServer(screen, input, std::move(*loop)));
}

ScreenServer::ScreenServer(bus::Screen& screen, bus::InputSink& input, std::unique_ptr<host::EventLoop> loop)
    : screen_(screen),
      input_(input),
      loop_(std::move(loop)),
      thread_(host::start_loop_thread(*loop_, host::ThreadRole::screen)) {}

ScreenServer::~ScreenServer() {
    loop_->stop();
    if (thread_.joinable()) thread_.join();
}

void ScreenServer::connect(host::UniqueFd socket, host::UniqueFd surface) {
    // A task must be copyable.
    auto shared =
        std::make_shared<std::pair<host::UniqueFd, host::UniqueFd>>(std::move(socket), std::move(surface));
    loop_->post([this, shared] { begin(std::move(shared->first), std::move(shared->second)); });
}

/// A viewer that cannot be served sees its connection closed.
void ScreenServer::begin(host::UniqueFd socket, host::UniqueFd surface) {
    auto memory = host::SharedMemory::map(std::move(surface), display::surface_bytes);
    if (!memory) return;
    Viewer& viewer = viewers_.emplace_back(std::move(socket), std::move(*memory));
    auto watch = loop_->watch(viewer.socket.get(), {.read = true},
                              [this, &viewer](host::Readiness ready) { exchange(viewer, ready); });
    if (watch)
        viewer.watch = std::move(*watch);
    else
        viewers_.pop_back();
}

void ScreenServer::exchange(Viewer& viewer, host::Readiness ready) {
    if (ready.write) send(viewer);
    if (ready.read) receive(viewer);
    if (viewer.frame_wanted && viewer.outgoing.empty() && !viewer.gone) {
        render(viewer);
        send(viewer);
    }
    if (!viewer.gone) return viewer.watch->set_interest({.read = true, .write = !viewer.outgoing.empty()});
    viewer.watch->set_interest({});
    loop_->post([this] { forget_gone(); });  // not while its own watch calls
}

void ScreenServer::receive(Viewer& viewer) {
    std::array<u8, 4096> buffer;
    const host::Transfer got = host::receive_now(viewer.socket.get(), buffer);
    if (got.status == TransferStatus::again) return;
    std::vector<Record> records;
    viewer.gone = got.status != TransferStatus::moved ||
                  !viewer.reader.read(std::span(buffer).first(got.count), records);
    for (const Record& record : records) {
        switch (record.kind) {
            case Record::Kind::frame_wanted: viewer.frame_wanted = true; break;
            case Record::Kind::key: input_.key(bus::Key{record.detail}, record.flag); break;
            case Record::Kind::pointer: input_.pointer(display::pointer_state(record)); break;
            default: viewer.gone = true; break;
        }
    }
}

void ScreenServer::render(Viewer& viewer) {
    viewer.frame_wanted = false;
    for (const display::Rectangle& r : viewer.surface.update(*screen_.picture()))
        append(viewer.outgoing, {.kind = Record::Kind::changed,
                                 .x = static_cast<u16>(r.x),
                                 .y = static_cast<u16>(r.y),
                                 .width = static_cast<u16>(r.width),
                                 .height = static_cast<u16>(r.height)});
    append(viewer.outgoing, {.kind = Record::Kind::frame_done,
                             .width = static_cast<u16>(viewer.surface.width()),
                             .height = static_cast<u16>(viewer.surface.height())});
}

void ScreenServer::send(Viewer& viewer) {
    while (!viewer.outgoing.empty()) {
        const host::Transfer sent = host::send_now(viewer.socket.get(), viewer.outgoing);
        if (sent.status == TransferStatus::again) return;
        if (sent.status != TransferStatus::moved) {
            viewer.gone = true;
            return;
        }
        viewer.outgoing.erase(viewer.outgoing.begin(),
                              viewer.outgoing.begin() + static_cast<std::ptrdiff_t>(sent.count));
    }
}

void ScreenServer::forget_gone() {
    std::erase_if(viewers_, [](const Viewer& viewer) { return viewer.gone; });
}

void ScreenServer::finish() {
    loop_->post([this] {
        for (Viewer& viewer : viewers_) {
            render(viewer);
            send(viewer);
        }
        loop_->stop();
    });
    thread_.join();
}

}  // namespace softmetal::machine
