// The virtio block device's configuration and requests (VIRTIO 1.2, ch. 5.2).
#pragma once

#include "base/integers.hpp"

#include <cstddef>

namespace softmetal::devices::virtio_block {

inline constexpr u16 type = 2;
inline constexpr u64 sector = 512;

/// Feature bits (ch. 5.2.3).
namespace feature {
inline constexpr u64 segment_max = u64{1} << 2;
inline constexpr u64 read_only = u64{1} << 5;
inline constexpr u64 block_size = u64{1} << 6;
inline constexpr u64 flush = u64{1} << 9;
inline constexpr u64 multi_queue = u64{1} << 12;
inline constexpr u64 discard = u64{1} << 13;
inline constexpr u64 write_zeroes = u64{1} << 14;
}  // namespace feature

/// Device configuration layout (ch. 5.2.4); the driver only reads it.
struct Configuration {
    u64 capacity = 0;  // in sectors
    u32 size_max = 0;
    u32 segment_max = 0;
    u32 geometry = 0;
    u32 block_size = 0;
    u64 topology = 0;
    u16 writeback = 0;
    u16 queues = 0;
    u32 discard_sectors_max = 0;
    u32 discard_segments_max = 0;
    u32 discard_alignment = 0;
    u32 write_zeroes_sectors_max = 0;
    u32 write_zeroes_segments_max = 0;
    u32 write_zeroes_may_unmap = 0;
    u32 padding = 0;
};
static_assert(sizeof(Configuration) == 64 && offsetof(Configuration, discard_sectors_max) == 36 &&
              offsetof(Configuration, write_zeroes_may_unmap) == 56);

/// Request header (ch. 5.2.6): what the driver writes first.
struct Header {
    u32 type = 0;
    u32 reserved = 0;
    u64 sector = 0;
};
static_assert(sizeof(Header) == 16);

enum class Request : u32 { read = 0, write = 1, flush = 4, get_id = 8, discard = 11, write_zeroes = 13 };

/// The last byte of an answer.
enum class Status : u8 { ok = 0, io_error = 1, unsupported = 2 };

inline constexpr u64 id_length = 20;

/// What discard and write-zeroes name, any number of them after the header.
struct Range {
    u64 sector = 0;
    u32 sectors = 0;
    u32 flags = 0;
};
static_assert(sizeof(Range) == 16);
inline constexpr u32 range_unmap = 1;  // write-zeroes may give the storage back; reserved for discard

}  // namespace softmetal::devices::virtio_block
