// The far side of a serial port: a terminal, a pipe, a socket.
#pragma once

#include "base/integers.hpp"

#include <cstddef>
#include <functional>
#include <span>

namespace softmetal::bus {

class ByteStream {
 public:
    virtual ~ByteStream() = default;
    /// Bytes towards the outside; the backend buffers what the outside does not take yet. Any thread.
    virtual void write(std::span<const u8> bytes) = 0;
    /// For who must not wait, as write() may: takes as many of the first bytes as there is room for and says
    /// how many. Any thread.
    [[nodiscard]] virtual std::size_t write_some(std::span<const u8> bytes) {
        write(bytes);
        return bytes.size();
    }
    /// Called on the event-loop thread when there is room again after write_some() has not taken all. Set
    /// once, before the machine starts.
    virtual void on_writable(const std::function<void()>& /*callback*/) {}
    /// Up to into.size() bytes that have come from outside; 0 where none wait. Any thread.
    [[nodiscard]] virtual std::size_t read(std::span<u8> into) = 0;
    /// Called on the event-loop thread whenever bytes have come. Set once, before the machine starts.
    virtual void on_readable(std::function<void()> callback) = 0;
};

/// A line that nothing is plugged into.
class NoStream final : public ByteStream {
 public:
    void write(std::span<const u8>) override {}
    [[nodiscard]] std::size_t read(std::span<u8>) override { return 0; }
    void on_readable(std::function<void()>) override {}
};

}  // namespace softmetal::bus
