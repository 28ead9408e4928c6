// A serial port's bytes over a socket to the trusted parent, buffered both ways.
#pragma once

#include "bus/backends/byte_stream.hpp"
#include "host/event_loop.hpp"
#include "host/unique_fd.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace softmetal::machine {

/// Nothing is lost and nothing grows without bound: a writer that is far ahead of the outside waits, as a
/// port with flow control does (except on the event loop's own thread, which does the sending).
class SocketByteStream : public bus::ByteStream {
 public:
    static constexpr std::size_t buffer_bytes = 64 * 1024;

    /// `loop` must not be running yet, nor any more when this is destroyed.
    [[nodiscard]] static Result<std::unique_ptr<SocketByteStream>> create(host::EventLoop& loop,
                                                                          host::UniqueFd socket);

    void write(std::span<const u8> bytes) override;
    [[nodiscard]] std::size_t write_some(std::span<const u8> bytes) override;
    void on_writable(const std::function<void()>& callback) override;
    [[nodiscard]] std::size_t read(std::span<u8> into) override;
    void on_readable(std::function<void()> callback) override;

    /// No writer waits any more; what does not fit into the buffer is dropped. Any thread.
    void stop_waiting();
    /// Returns when the socket has taken all that was written; once stop_waiting() was called, a second later
    /// at the latest. Not on the loop's thread.
    void drain();

 private:
    SocketByteStream(host::EventLoop& loop, host::UniqueFd socket);
    void on_ready(host::Readiness ready);
    void receive();
    void send_and_call_back();
    void send();          // mutex held
    void schedule();      // mutex held
    void update_watch();  // mutex held

    host::EventLoop& loop_;
    host::UniqueFd socket_;
    std::mutex mutex_;  // guards what follows; not held around the callback
    std::condition_variable drained_;
    std::vector<u8> outgoing_;
    std::deque<u8> incoming_;
    std::thread::id loop_thread_;
    bool sending_scheduled_ = false;
    bool waits_for_room_ = false;  // the socket was full
    bool waiting_allowed_ = true;
    bool peer_gone_ = false;
    bool somebody_lacked_room_ = false;
    std::function<void()> callback_, writable_;
    std::unique_ptr<host::EventLoop::Watch> watch_;  // last: destroyed first
};

}  // namespace softmetal::machine
