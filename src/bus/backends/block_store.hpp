// Where a disk's sectors live.
#pragma once

#include "base/integers.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace softmetal::bus {

enum class BlockStatus : u8 { ok, io_error, no_space };

/// Byte-addressed storage of fixed size. Requests run asynchronously and in parallel; a completion callback
/// runs on a backend thread. Buffers stay valid until then. A write is durable only once a flush begun after
/// its completion completes.
class BlockStore {
 public:
    using Completion = std::function<void(BlockStatus)>;
    using Places = std::vector<std::span<std::byte>>;
    virtual ~BlockStore() = default;
    [[nodiscard]] virtual u64 size_bytes() const = 0;
    [[nodiscard]] virtual bool read_only() const = 0;
    virtual void read(u64 offset, std::span<std::byte> into, Completion done) = 0;
    virtual void write(u64 offset, std::span<const std::byte> from, Completion done) = 0;
    /// The same for bytes in several places, in order. A store that cannot do better copies them.
    virtual void read_places(u64 offset, Places into, Completion done);
    virtual void write_places(u64 offset, const Places& from, Completion done);
    virtual void flush(Completion done) = 0;
    virtual void discard(u64 offset, u64 length, Completion done) = 0;
    /// `may_unmap`: their storage may be given back.
    virtual void write_zeroes(u64 offset, u64 length, bool may_unmap, Completion done) = 0;
};

}  // namespace softmetal::bus
