#include "disk/nbd_store.hpp"

#include "host/byte_socket.hpp"
#include "host/monotonic_time.hpp"
#include "host/thread_role.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <libnbd.h>
#include <vector>

namespace softmetal::disk {

using bus::BlockStatus;

namespace {

constexpr std::size_t zeroes_at_once = 1 << 20;

/// Made when first wanted: most processes of this program never do.
std::span<const std::byte> zeroes(u64 count) {
    static const std::vector<std::byte> all(zeroes_at_once);
    return std::span(all).first(count);
}

BlockStatus status_of(int error) {
    if (error == 0) return BlockStatus::ok;
    return error == ENOSPC || error == EDQUOT ? BlockStatus::no_space : BlockStatus::io_error;
}

/// libnbd begins its sentences with the function's name.
std::string last_error() {
    const char* const text = nbd_get_error();
    return text ? text : "no reason given";
}

}  // namespace

/// What libnbd knows it by; freed by libnbd.
struct NbdStore::Request {
    NbdStore* store;
    const char* action;
    Completion done;

    [[nodiscard]] nbd_completion_callback callback() {
        return {.callback =
                    [](void* data, int* error) {
                        auto& request = *static_cast<Request*>(data);
                        request.store->finish(request, *error);
                        return 1;  // forget it
                    },
                .user_data = this,
                .free = [](void* data) { delete static_cast<Request*>(data); }};
    }
};

void NbdStore::Close::operator()(nbd_handle* handle) const { nbd_close(handle); }

Result<std::unique_ptr<NbdStore>> NbdStore::open(host::UniqueFd socket, const std::string& export_name,
                                                 bool read_only) {
    Handle handle(nbd_create());
    if (!handle || nbd_set_export_name(handle.get(), export_name.c_str()) < 0 ||
        nbd_connect_socket(handle.get(), socket.release()) < 0)
        return fail("the NBD server is not understood: " + last_error());
    auto loop = host::EventLoop::create();
    if (!loop) return std::unexpected(loop.error());
    std::unique_ptr<NbdStore> store(new NbdStore(std::move(handle), std::move(*loop), read_only));
    if (auto learnt = store->learn(); !learnt) return std::unexpected(learnt.error());
    return store;
}

NbdStore::NbdStore(Handle handle, std::unique_ptr<host::EventLoop> loop, bool read_only)
    : handle_(std::move(handle)), read_only_(read_only), loop_(std::move(loop)) {}

Result<> NbdStore::learn() {
    nbd_handle* const h = handle_.get();
    const i64 size = nbd_get_size(h);
    if (size <= 0) return fail("the NBD server's export is empty");
    size_ = static_cast<u64>(size);
    if (size_ % sector != 0)
        return fail(fmt::format("the NBD server's export has {} bytes, not a multiple of {}", size_, sector));
    read_only_ = read_only_ || nbd_is_read_only(h) == 1;
    can_flush_ = nbd_can_flush(h) == 1;
    can_trim_ = nbd_can_trim(h) == 1;
    can_zero_ = nbd_can_zero(h) == 1;
    deadline_ = loop_->create_timer([this] { give_up(); });
    auto watch = loop_->watch(nbd_aio_get_fd(h), {.read = true}, [this](host::Readiness r) { move(r); });
    if (!watch) return std::unexpected(watch.error());
    watch_ = std::move(*watch);
    thread_ = host::start_loop_thread(*loop_, host::ThreadRole::remote_store);
    return {};
}

NbdStore::~NbdStore() {
    if (!thread_.joinable()) return;
    loop_->post([this] {
        give_up();  // nobody waits any more
        loop_->stop();
    });
    thread_.join();
}

std::string NbdStore::first_failure() const {
    const std::lock_guard lock(mutex_);
    return first_failure_;
}

void NbdStore::remember(const std::string& failure) {
    const std::lock_guard lock(mutex_);
    if (first_failure_.empty()) first_failure_ = failure;
}

void NbdStore::read(u64 offset, std::span<std::byte> into, Completion done) {
    const auto start = [offset, into](nbd_handle* h, Request* r) -> i64 {
        return nbd_aio_pread(h, into.data(), into.size(), offset, r->callback(), 0);
    };
    if (into.empty()) return submit("read", inside(offset, 0), {}, std::move(done));
    submit("read", inside(offset, into.size()), start, std::move(done));
}

void NbdStore::write(u64 offset, std::span<const std::byte> from, Completion done) {
    const auto start = [offset, from](nbd_handle* h, Request* r) -> i64 {
        return nbd_aio_pwrite(h, from.data(), from.size(), offset, r->callback(), 0);
    };
    const bool allowed = !read_only_ && inside(offset, from.size());
    if (from.empty()) return submit("write", allowed, {}, std::move(done));
    submit("write", allowed, start, std::move(done));
}

void NbdStore::flush(Completion done) {
    const auto start = [](nbd_handle* h, Request* r) -> i64 { return nbd_aio_flush(h, r->callback(), 0); };
    // A server that cannot is one that keeps nothing back.
    if (read_only_ || !can_flush_) return submit("flush", true, {}, std::move(done));
    submit("flush", true, start, std::move(done));
}

void NbdStore::discard(u64 offset, u64 length, Completion done) {
    const auto start = [offset, length](nbd_handle* h, Request* r) -> i64 {
        return nbd_aio_trim(h, length, offset, r->callback(), 0);
    };
    const bool allowed = !read_only_ && inside(offset, length);
    if (length == 0 || !can_trim_) return submit("discard", allowed, {}, std::move(done));
    submit("discard", allowed, start, std::move(done));
}

void NbdStore::write_zeroes(u64 offset, u64 length, bool may_unmap, Completion done) {
    const u32 flags = may_unmap ? 0 : u32{LIBNBD_CMD_FLAG_NO_HOLE};
    const auto start = [offset, length, flags](nbd_handle* h, Request* r) -> i64 {
        return nbd_aio_zero(h, length, offset, r->callback(), flags);
    };
    const bool allowed = !read_only_ && inside(offset, length);
    if (allowed && length != 0 && !can_zero_) return write_zero_bytes(offset, length, std::move(done));
    if (length == 0) return submit("write", allowed, {}, std::move(done));
    submit("write", allowed, start, std::move(done));
}

void NbdStore::write_zero_bytes(u64 offset, u64 length, Completion done) {
    const u64 now = std::min<u64>(length, zeroes_at_once);
    write(offset, zeroes(now),
          [this, offset, length, now, done = std::move(done)](BlockStatus status) mutable {
              if (status != BlockStatus::ok || now == length) return done(status);
              write_zero_bytes(offset + now, length - now, std::move(done));
          });
}

/// Without `start` there is nothing to do but to say so.
void NbdStore::submit(const char* action, bool allowed, Start start, Completion done) {
    loop_->post([this, action, allowed, start = std::move(start), done = std::move(done)]() mutable {
        if (!allowed) return done(BlockStatus::io_error);
        if (!start) return done(BlockStatus::ok);
        begin(action, start, done);
    });
}

// --- the loop's thread

void NbdStore::begin(const char* action, const Start& start, const Completion& done) {
    if (lost_) {
        remember("lost the NBD server");  // between two requests, before this one
        return done(BlockStatus::io_error);
    }
    auto* const request = new Request{this, action, done};
    under_way_.insert(request);
    if (under_way_.size() == 1) deadline_->arm(host::monotonic_nanoseconds() + patience_);
    // Refused, it has been freed, and nobody has heard of it.
    if (start(handle_.get(), request) < 0 && under_way_.erase(request) != 0) {
        remember(fmt::format("cannot {}: {}", action, last_error()));
        done(BlockStatus::io_error);
    }
    update();
}

void NbdStore::finish(Request& request, int error) {
    if (under_way_.erase(&request) == 0) return;  // given up long ago
    if (error != 0) remember(fmt::format("cannot {}: {}", request.action, host::error_text(error)));
    request.done(status_of(error));
}

void NbdStore::move(host::Readiness ready) {
    if (lost_) return update();
    const unsigned direction = nbd_aio_get_direction(handle_.get());
    if (ready.read && (direction & LIBNBD_AIO_DIRECTION_READ))
        nbd_aio_notify_read(handle_.get());
    else if (ready.write && (direction & LIBNBD_AIO_DIRECTION_WRITE))
        nbd_aio_notify_write(handle_.get());
    if (!under_way_.empty()) deadline_->arm(host::monotonic_nanoseconds() + patience_);
    update();
}

void NbdStore::update() {
    if (!lost_ && (nbd_aio_is_dead(handle_.get()) == 1 || nbd_aio_is_closed(handle_.get()) == 1)) give_up();
    if (under_way_.empty()) deadline_->disarm();
    const unsigned direction = lost_ ? 0 : nbd_aio_get_direction(handle_.get());
    watch_->set_interest({.read = (direction & LIBNBD_AIO_DIRECTION_READ) != 0,
                          .write = (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0});
}

/// libnbd is not called again, so it touches no buffer any more.
void NbdStore::give_up() {
    if (lost_) return;
    lost_ = true;
    watch_->set_interest({});
    while (!under_way_.empty()) finish(**under_way_.begin(), ETIMEDOUT);
}

}  // namespace softmetal::disk
