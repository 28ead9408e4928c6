// A network card's cable as a socket to the process that is the network.
#pragma once

#include "bus/backends/network_link.hpp"
#include "host/event_loop.hpp"
#include "host/frame_socket.hpp"
#include "host/unique_fd.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <vector>

namespace softmetal::network {

class SocketLink final : public bus::NetworkLink {
 public:
    /// Before the loop runs.
    [[nodiscard]] static Result<std::unique_ptr<SocketLink>> create(host::EventLoop& loop,
                                                                    host::UniqueFd socket);

    void connect(bus::NetworkCard& card) override;
    [[nodiscard]] bool send(std::span<const std::byte> frame) override;
    void room() override;
    void call_back() override;

 private:
    SocketLink(host::EventLoop& loop, host::UniqueFd socket);
    void on_ready(host::Readiness ready);
    void deliver();
    /// What the card is to get next; empty where there is nothing now.
    [[nodiscard]] std::span<const std::byte> front();
    void pop();
    void update_interest();

    host::EventLoop& loop_;
    host::UniqueFd socket_;
    bus::NetworkCard* card_ = nullptr;
    host::FrameReader reader_{bus::long_frame_max};
    std::deque<std::vector<std::byte>> pieces_;  // of a long frame, for a card that takes none
    std::atomic<bool> full_ = false;             // a frame was refused
    std::atomic<bool> starved_ = false;          // the card has refused one
    std::atomic<bool> over_ = false;
    host::Readiness interest_;  // the loop's thread
    std::unique_ptr<host::EventLoop::Watch> watch_;
};

}  // namespace softmetal::network
