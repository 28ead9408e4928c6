// The viewer's end of the link to a machine's screen.
#pragma once

#include "base/result.hpp"
#include "display/screen_link.hpp"
#include "display/surface.hpp"
#include "host/shared_memory.hpp"
#include "host/unique_fd.hpp"

#include <utility>
#include <vector>

namespace softmetal::display {

class ScreenViewer {
 public:
    /// Two ends: a viewer, and the socket for the machine, whose surface is the viewer's.
    [[nodiscard]] static Result<std::pair<ScreenViewer, host::UniqueFd>> create();
    /// Over a socket and a surface that another process made.
    ScreenViewer(host::UniqueFd socket, host::SharedMemory surface)
        : socket_(std::move(socket)), surface_(std::move(surface)) {}

    [[nodiscard]] int fd() const { return socket_.get(); }
    [[nodiscard]] const host::SharedMemory& surface() const { return surface_; }
    [[nodiscard]] host::UniqueFd take_socket() { return std::move(socket_); }

    /// False where the machine is gone, or has taken nothing for very long. Never waits: what the socket does
    /// not take now goes with the next flush().
    [[nodiscard]] bool send(const Record& record);
    [[nodiscard]] bool flush();
    [[nodiscard]] bool has_unsent() const { return !outgoing_.empty(); }

    enum class Received : u8 { nothing, frame, gone };
    /// Reads what has come. After `frame` size and changes are those of a new frame.
    [[nodiscard]] Received receive();
    [[nodiscard]] u32 width() const { return width_; }  // 0 before the first frame
    [[nodiscard]] u32 height() const { return height_; }
    [[nodiscard]] std::vector<Rectangle> take_changes() { return std::exchange(changes_, {}); }
    [[nodiscard]] std::span<const u32> pixels() const;

 private:
    host::UniqueFd socket_;
    host::SharedMemory surface_;
    RecordReader reader_;
    std::vector<u8> outgoing_;
    u32 width_ = 0, height_ = 0;
    std::vector<Rectangle> changes_;
};

}  // namespace softmetal::display
