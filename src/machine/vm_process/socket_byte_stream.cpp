#include "machine/vm_process/socket_byte_stream.hpp"

#include "host/byte_socket.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace softmetal::machine {

using host::TransferStatus;

Result<std::unique_ptr<SocketByteStream>> SocketByteStream::create(host::EventLoop& loop,
                                                                   host::UniqueFd socket) {
    std::unique_ptr<SocketByteStream> stream(new SocketByteStream(loop, std::move(socket)));
    auto watch = loop.watch(stream->socket_.get(), {.read = true},
                            [s = stream.get()](host::Readiness ready) { s->on_ready(ready); });
    if (!watch) return std::unexpected(watch.error());
    stream->watch_ = std::move(*watch);
    loop.post([s = stream.get()] {
        std::lock_guard lock(s->mutex_);
        s->loop_thread_ = std::this_thread::get_id();
    });
    return stream;
}

SocketByteStream::SocketByteStream(host::EventLoop& loop, host::UniqueFd socket)
    : loop_(loop), socket_(std::move(socket)) {}

void SocketByteStream::write(std::span<const u8> bytes) {
    std::unique_lock lock(mutex_);
    if (std::this_thread::get_id() != loop_thread_)
        drained_.wait(lock,
                      [&] { return outgoing_.size() < buffer_bytes || !waiting_allowed_ || peer_gone_; });
    if (peer_gone_ || (!waiting_allowed_ && outgoing_.size() >= buffer_bytes)) return;
    outgoing_.insert(outgoing_.end(), bytes.begin(), bytes.end());
    schedule();
}

std::size_t SocketByteStream::write_some(std::span<const u8> bytes) {
    const std::lock_guard lock(mutex_);
    if (peer_gone_ || !waiting_allowed_) return bytes.size();  // nobody will ever see them
    const std::size_t count = std::min(bytes.size(), buffer_bytes - std::min(buffer_bytes, outgoing_.size()));
    outgoing_.insert(outgoing_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    if (count < bytes.size()) somebody_lacked_room_ = true;
    schedule();
    return count;
}

/// Sent by the loop's thread: a guest prints byte by byte, and meanwhile more of them come together.
void SocketByteStream::schedule() {
    if (sending_scheduled_ || waits_for_room_) return;
    sending_scheduled_ = true;
    loop_.post([this] {
        {
            const std::lock_guard lock(mutex_);
            sending_scheduled_ = false;
        }
        send_and_call_back();
    });
}

void SocketByteStream::send_and_call_back() {
    std::function<void()> callback;
    {
        const std::lock_guard lock(mutex_);
        send();
        if (outgoing_.size() < buffer_bytes && std::exchange(somebody_lacked_room_, false))
            callback = writable_;
    }
    if (callback) callback();
}

void SocketByteStream::send() {
    std::size_t sent = 0;
    waits_for_room_ = false;
    while (sent < outgoing_.size()) {
        const host::Transfer transfer = host::send_now(socket_.get(), std::span(outgoing_).subspan(sent));
        if (transfer.status == TransferStatus::moved) {
            sent += transfer.count;
            continue;
        }
        waits_for_room_ = transfer.status == TransferStatus::again;
        if (!waits_for_room_) peer_gone_ = true;
        break;
    }
    outgoing_.erase(outgoing_.begin(), outgoing_.begin() + static_cast<std::ptrdiff_t>(sent));
    if (peer_gone_) outgoing_.clear();
    if (outgoing_.empty()) waits_for_room_ = false;
    update_watch();
    drained_.notify_all();
}

void SocketByteStream::update_watch() {
    watch_->set_interest({!peer_gone_ && incoming_.size() < buffer_bytes, waits_for_room_});
}

void SocketByteStream::on_ready(host::Readiness ready) {
    if (ready.write) send_and_call_back();
    if (ready.read) receive();
}

void SocketByteStream::receive() {
    std::function<void()> callback;
    {
        std::lock_guard lock(mutex_);
        std::array<u8, 4096> buffer;
        const host::Transfer transfer = host::receive_now(socket_.get(), buffer);
        if (transfer.status == TransferStatus::again) return;
        if (transfer.status != TransferStatus::moved) {
            peer_gone_ = true;
            outgoing_.clear();
            drained_.notify_all();
            return update_watch();
        }
        incoming_.insert(incoming_.end(), buffer.begin(),
                         buffer.begin() + static_cast<std::ptrdiff_t>(transfer.count));
        update_watch();
        callback = callback_;
    }
    if (callback) callback();
}

std::size_t SocketByteStream::read(std::span<u8> into) {
    std::lock_guard lock(mutex_);
    const std::size_t count = std::min(into.size(), incoming_.size());
    const auto end = incoming_.begin() + static_cast<std::ptrdiff_t>(count);
    std::copy(incoming_.begin(), end, into.begin());
    const bool was_full = incoming_.size() >= buffer_bytes;
    incoming_.erase(incoming_.begin(), end);
    if (was_full && count) update_watch();
    return count;
}

void SocketByteStream::on_readable(std::function<void()> callback) {
    std::lock_guard lock(mutex_);
    callback_ = std::move(callback);
}

void SocketByteStream::on_writable(const std::function<void()>& callback) {
    const std::lock_guard lock(mutex_);
    writable_ = callback;
}

void SocketByteStream::stop_waiting() {
    std::lock_guard lock(mutex_);
    waiting_allowed_ = false;
    drained_.notify_all();
}

void SocketByteStream::drain() {
    std::unique_lock lock(mutex_);
    const auto done = [&] { return outgoing_.empty() || peer_gone_; };
    drained_.wait(lock, [&] { return done() || !waiting_allowed_; });
    drained_.wait_for(lock, std::chrono::seconds(1), done);
}

}  // namespace softmetal::machine
