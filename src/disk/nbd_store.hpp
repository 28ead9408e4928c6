// A disk that an NBD server has (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md), over
// libnbd: many requests under way on one connection.
//
// A thread of its own serves the connection. A server that is lost, or says nothing for too long, is gone for
// good: what it has not answered fails, and so does all that comes later.
#pragma once

#include "base/result.hpp"
#include "disk/host_store.hpp"
#include "host/event_loop.hpp"
#include "host/unique_fd.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

struct nbd_handle;

namespace softmetal::disk {

class NbdStore final : public HostStore {
 public:
    static constexpr u64 sector = 512;

    /// Takes a connected socket, and agrees with the server on `export_name`. Read-only where asked for or
    /// where the server says so.
    [[nodiscard]] static Result<std::unique_ptr<NbdStore>> open(host::UniqueFd socket,
                                                                const std::string& export_name,
                                                                bool read_only);
    ~NbdStore() override;
    /// For how many nanoseconds a server may say nothing, before anything is asked of it.
    void set_patience(u64 patience) { patience_ = patience; }

    [[nodiscard]] u64 size_bytes() const override { return size_; }
    [[nodiscard]] bool read_only() const override { return read_only_; }
    void read(u64 offset, std::span<std::byte> into, Completion done) override;
    void write(u64 offset, std::span<const std::byte> from, Completion done) override;
    void flush(Completion done) override;
    void discard(u64 offset, u64 length, Completion done) override;
    void write_zeroes(u64 offset, u64 length, bool may_unmap, Completion done) override;
    [[nodiscard]] std::string first_failure() const override;

 private:
    struct Request;
    struct Close {
        void operator()(nbd_handle* handle) const;
    };
    using Handle = std::unique_ptr<nbd_handle, Close>;
    /// Hands a request to libnbd; negative where that refuses it.
    using Start = std::function<i64(nbd_handle*, Request*)>;

    NbdStore(Handle handle, std::unique_ptr<host::EventLoop> loop, bool read_only);
    [[nodiscard]] Result<> learn();
    [[nodiscard]] bool inside(u64 offset, u64 length) const {
        return offset <= size_ && length <= size_ - offset;
    }
    void submit(const char* action, bool allowed, Start start, Completion done);
    void remember(const std::string& failure);
    void write_zero_bytes(u64 offset, u64 length, Completion done);
    // The loop's thread.
    void begin(const char* action, const Start& start, const Completion& done);
    void finish(Request& request, int error);
    void move(host::Readiness ready);
    void update();
    void give_up();

    Handle handle_;
    u64 size_ = 0;
    bool read_only_;
    u64 patience_ = 60'000'000'000;
    bool can_flush_ = false, can_trim_ = false, can_zero_ = false;
    mutable std::mutex mutex_;
    std::string first_failure_;  // guarded by mutex_
    // The loop's thread.
    bool lost_ = false;
    std::set<Request*> under_way_;
    std::unique_ptr<host::EventLoop> loop_;
    std::unique_ptr<host::EventLoop::Timer> deadline_;
    std::unique_ptr<host::EventLoop::Watch> watch_;
    std::thread thread_;
};

}  // namespace softmetal::disk
