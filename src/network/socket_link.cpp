#include "network/socket_link.hpp"

#include "network/segmentation.hpp"

namespace softmetal::network {

namespace {

/// Frames delivered before others of the loop have their turn.
constexpr unsigned burst = 128;

}  // namespace

SocketLink::SocketLink(host::EventLoop& loop, host::UniqueFd socket)
    : loop_(loop), socket_(std::move(socket)) {}

Result<std::unique_ptr<SocketLink>> SocketLink::create(host::EventLoop& loop, host::UniqueFd socket) {
    std::unique_ptr<SocketLink> link(new SocketLink(loop, std::move(socket)));
    auto watch =
        loop.watch(link->socket_.get(), {}, [raw = link.get()](host::Readiness r) { raw->on_ready(r); });
    if (!watch) return std::unexpected(watch.error());
    link->watch_ = std::move(*watch);
    return link;
}

void SocketLink::connect(bus::NetworkCard& card) {
    card_ = &card;
    update_interest();
}

bool SocketLink::send(std::span<const std::byte> frame) {
    if (over_) return true;  // lost
    // A connection whose segments may be long is the faster the longer they are.
    const auto changed = card_->takes_long_frames() ? with_longest_segments(frame) : std::vector<std::byte>();
    if (host::send_frame(socket_.get(), changed.empty() ? frame : changed) != host::FrameSent::full)
        return true;
    full_ = true;
    loop_.post([this] { update_interest(); });
    return false;
}

void SocketLink::room() {
    if (starved_.exchange(false)) loop_.post([this] { deliver(); });
}

void SocketLink::call_back() {
    loop_.post([this] { card_->may_send(); });
}

// --- the loop's thread

void SocketLink::update_interest() {
    const host::Readiness wanted{.read = !starved_ && !over_, .write = full_ && !over_};
    if (wanted == interest_) return;
    interest_ = wanted;
    watch_->set_interest(wanted);
}

void SocketLink::on_ready(host::Readiness ready) {
    if (ready.write && full_.exchange(false)) card_->may_send();
    if (ready.read && !starved_) return deliver();
    update_interest();
}

void SocketLink::deliver() {
    for (unsigned i = 0; i < burst; i++) {
        const auto frame = front();
        if (frame.empty()) {
            if (reader_.over()) over_ = true;
            return update_interest();
        }
        if (!card_->receive(frame)) {
            starved_ = true;
            // Room may have been made between its refusal and this.
            if (!card_->receive(frame)) return update_interest();
            starved_ = false;
        }
        pop();
    }
    loop_.post([this] { deliver(); });  // some may wait here, of which the socket does not tell
}

std::span<const std::byte> SocketLink::front() {
    while (pieces_.empty()) {
        const auto frame = reader_.front(socket_.get());
        if (frame.size() <= bus::ethernet_frame_max || card_->takes_long_frames()) return frame;
        cut_frame(frame, [this](auto piece) { pieces_.emplace_back(piece.begin(), piece.end()); });
        reader_.pop();
    }
    return pieces_.front();
}

void SocketLink::pop() {
    if (pieces_.empty())
        reader_.pop();
    else
        pieces_.pop_front();
}

}  // namespace softmetal::network
