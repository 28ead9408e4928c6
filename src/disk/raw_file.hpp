// A disk whose sectors are the bytes of a file or a block device, in order.
#pragma once

#include "base/result.hpp"
#include "disk/host_store.hpp"
#include "disk/worker_pool.hpp"
#include "host/file_io.hpp"
#include "host/unique_fd.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace softmetal::disk {

class RawFile final : public HostStore {
 public:
    static constexpr u64 sector = 512;

    /// Takes an open descriptor. A size that is not a whole number of sectors is refused: rounding it would
    /// hide bytes from the guest, or invent some. Read-only where asked for or where the descriptor is.
    [[nodiscard]] static Result<std::unique_ptr<RawFile>> open(host::UniqueFd fd, bool read_only);

    [[nodiscard]] u64 size_bytes() const override { return size_; }
    [[nodiscard]] bool read_only() const override { return read_only_; }
    void read(u64 offset, std::span<std::byte> into, Completion done) override;
    void write(u64 offset, std::span<const std::byte> from, Completion done) override;
    void read_places(u64 offset, Places into, Completion done) override;
    void write_places(u64 offset, const Places& from, Completion done) override;
    void flush(Completion done) override;
    void discard(u64 offset, u64 length, Completion done) override;
    void write_zeroes(u64 offset, u64 length, bool may_unmap, Completion done) override;

    [[nodiscard]] std::string first_failure() const override;

 private:
    RawFile(host::UniqueFd fd, u64 size, bool read_only)
        : fd_(std::move(fd)), size_(size), read_only_(read_only) {}
    [[nodiscard]] bool inside(u64 offset, u64 length) const {
        return offset <= size_ && length <= size_ - offset;
    }
    [[nodiscard]] host::OsResult write_zeroes_now(u64 offset, u64 length, bool may_unmap);
    [[nodiscard]] bus::BlockStatus status(std::string_view action, const host::OsResult& result);

    host::UniqueFd fd_;
    u64 size_;
    bool read_only_;
    mutable std::mutex mutex_;
    std::string first_failure_;  // guarded by mutex_
    WorkerPool workers_{2};      // last: its jobs use the rest
};

}  // namespace softmetal::disk
