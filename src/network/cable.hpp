// The network's end of a card's cable: frames to and from the guest, with those that its socket has no room
// for yet, and the file they are captured in.
#pragma once

#include "host/frame_socket.hpp"
#include "host/unique_fd.hpp"
#include "network/capture_file.hpp"

#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace softmetal::network {

class Cable {
 public:
    /// `capture`: an empty file, or an invalid descriptor.
    Cable(host::UniqueFd socket, host::UniqueFd capture);

    [[nodiscard]] int fd() const { return socket_.get(); }
    [[nodiscard]] bool waits_for_room() const { return !waiting_.empty(); }
    /// The guest's end is closed: nothing will ever come from there.
    [[nodiscard]] bool closed() const { return reader_.over(); }

    /// Keeps the frame where there is no room now. A guest that does not look loses frames in the end.
    void send(std::span<const std::byte> frame);
    void send_waiting();
    /// The frame at the front, until pop(); none where none waits now. What is no frame is never seen.
    [[nodiscard]] std::span<const std::byte> front();
    void pop() { reader_.pop(); }

    void flush_capture();

 private:
    void capture(std::span<const std::byte> frame);

    host::UniqueFd socket_;
    std::unique_ptr<CaptureFile> capture_;
    host::FrameReader reader_;
    std::deque<std::vector<std::byte>> waiting_;
};

}  // namespace softmetal::network
