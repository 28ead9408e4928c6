// Where a disk's sectors live.
#pragma once

#include "base/integers.hpp"

#include <cstddef>
#include <functional>
#include <span>

namespace softmetal::bus {

enum class BlockStatus : u8 { ok, io_error, no_space };

/// Byte-addressed storage of fixed size. Requests run asynchronously and in parallel; a completion callback
/// runs on a backend thread. Buffers stay valid until then. A write is durable only once a flush begun after
/// its completion completes.
class BlockStore {
 public:
    using Completion = std::function<void(BlockStatus)>;
    virtual ~BlockStore() = default;
    [[nodiscard]] virtual u64 size_bytes() const = 0;
    [[nodiscard]] virtual bool read_only() const = 0;
    virtual void read(u64 offset, std::span<std::byte> into, Completion done) = 0;
    virtual void write(u64 offset, std::span<const std::byte> from, Completion done) = 0;
    virtual void flush(Completion done) = 0;
    virtual void discard(u64 offset, u64 length, Completion done) = 0;
    virtual void write_zeroes(u64 offset, u64 length, Completion done) = 0;
};

}  // namespace softmetal::bus
