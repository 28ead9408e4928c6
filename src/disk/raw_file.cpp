#include "disk/raw_file.hpp"

#include "host/byte_socket.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

namespace softmetal::disk {

using bus::BlockStatus;

namespace {

u64 length_of(const bus::BlockStore::Places& places) {
    u64 length = 0;
    for (const auto& place : places) length += place.size();
    return length;
}

}  // namespace

Result<std::unique_ptr<RawFile>> RawFile::open(host::UniqueFd fd, bool read_only) {
    const auto info = host::file_info(fd.get());
    if (!info) return fail("cannot use the disk image: " + info.error().message);
    if (info->size == 0) return fail("cannot use the disk image: it is empty");
    if (const u64 whole = info->size / sector * sector; whole != info->size) {
        const std::string shorter = whole ? fmt::format("truncate it to {} or ", whole) : "";
        return fail(
            fmt::format("cannot use the disk image: its size of {} bytes is not a multiple of {}; {}extend "
                        "it to {}",
                        info->size, sector, shorter, whole + sector));
    }
    return std::unique_ptr<RawFile>(new RawFile(std::move(fd), info->size, read_only || !info->writable));
}

BlockStatus RawFile::status(std::string_view action, const host::OsResult& result) {
    if (result) return BlockStatus::ok;
    const std::lock_guard lock(mutex_);
    if (first_failure_.empty())
        first_failure_ = fmt::format("cannot {}: {}", action, host::error_text(result.error().code));
    return result.error().no_space() ? BlockStatus::no_space : BlockStatus::io_error;
}

std::string RawFile::first_failure() const {
    const std::lock_guard lock(mutex_);
    return first_failure_;
}

void RawFile::read(u64 offset, std::span<std::byte> into, Completion done) {
    workers_.submit([this, offset, into, done = std::move(done)] {
        done(inside(offset, into.size()) ? status("read", host::read_at(fd_.get(), offset, into))
                                         : BlockStatus::io_error);
    });
}

void RawFile::write(u64 offset, std::span<const std::byte> from, Completion done) {
    workers_.submit([this, offset, from, done = std::move(done)] {
        const bool allowed = !read_only_ && inside(offset, from.size());
        done(allowed ? status("write", host::write_at(fd_.get(), offset, from)) : BlockStatus::io_error);
    });
}

void RawFile::read_places(u64 offset, Places into, Completion done) {
    workers_.submit([this, offset, into = std::move(into), done = std::move(done)] {
        done(inside(offset, length_of(into)) ? status("read", host::read_places_at(fd_.get(), offset, into))
                                             : BlockStatus::io_error);
    });
}

void RawFile::write_places(u64 offset, const Places& from, Completion done) {
    workers_.submit([this, offset, from, done = std::move(done)] {
        const bool allowed = !read_only_ && inside(offset, length_of(from));
        done(allowed ? status("write", host::write_places_at(fd_.get(), offset, from))
                     : BlockStatus::io_error);
    });
}

void RawFile::flush(Completion done) {
    workers_.submit([this, done = std::move(done)] {
        done(read_only_ ? BlockStatus::ok : status("flush", host::sync_data(fd_.get())));
    });
}

void RawFile::discard(u64 offset, u64 length, Completion done) {
    workers_.submit([this, offset, length, done = std::move(done)] {
        if (read_only_ || !inside(offset, length)) return done(BlockStatus::io_error);
        if (length == 0) return done(BlockStatus::ok);
        // A discard is a hint: where no hole can be made, nothing needs to happen.
        const auto punched = host::punch_hole(fd_.get(), offset, length);
        done(punched ? BlockStatus::ok : status("discard", std::unexpected(punched.error())));
    });
}

void RawFile::write_zeroes(u64 offset, u64 length, bool may_unmap, Completion done) {
    workers_.submit([this, offset, length, may_unmap, done = std::move(done)] {
        const bool allowed = !read_only_ && inside(offset, length);
        done(allowed ? status("write", write_zeroes_now(offset, length, may_unmap)) : BlockStatus::io_error);
    });
}

host::OsResult RawFile::write_zeroes_now(u64 offset, u64 length, bool may_unmap) {
    if (length == 0) return {};
    if (may_unmap) {
        const auto punched = host::punch_hole(fd_.get(), offset, length);
        if (punched && *punched) return {};
    }
    const auto zeroed = host::zero_range(fd_.get(), offset, length);
    if (!zeroed) return std::unexpected(zeroed.error());
    if (*zeroed) return {};
    const std::vector<std::byte> zeroes(std::min<u64>(length, 1 << 20));
    while (length != 0) {
        const u64 chunk = std::min<u64>(length, zeroes.size());
        if (auto written = host::write_at(fd_.get(), offset, std::span(zeroes).first(chunk)); !written)
            return written;
        offset += chunk;
        length -= chunk;
    }
    return {};
}

}  // namespace softmetal::disk
