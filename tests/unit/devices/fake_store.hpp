// A disk in memory that completes every request at once, on the thread of its own that a backend has.
#pragma once

#include "bus/backends/block_store.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace softmetal::devices::testing {

class MemoryStore final : public bus::BlockStore {
 public:
    explicit MemoryStore(u64 size, bool read_only = false) : bytes(size), read_only_(read_only) {
        for (u64 i = 0; i < size; i++) bytes[i] = static_cast<std::byte>(i / 512 + i);
    }
    ~MemoryStore() override {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
        }
        changed_.notify_all();
    }
    [[nodiscard]] u64 size_bytes() const override { return bytes.size(); }
    [[nodiscard]] bool read_only() const override { return read_only_; }
    void read(u64 offset, std::span<std::byte> into, Completion done) override {
        add([this, offset, into] { std::copy_n(bytes.begin() + at(offset), into.size(), into.begin()); },
            std::move(done));
    }
    void write(u64 offset, std::span<const std::byte> from, Completion done) override {
        add([this, offset, from] { std::ranges::copy(from, bytes.begin() + at(offset)); }, std::move(done));
    }
    void flush(Completion done) override {
        add([this] { ++flushes; }, std::move(done));
    }
    void discard(u64, u64, Completion done) override {
        add([] {}, std::move(done));
    }
    void write_zeroes(u64, u64, bool, Completion done) override {
        add([] {}, std::move(done));
    }

    /// Requests wait from now on, or go on.
    void hold(bool on) {
        {
            const std::lock_guard lock(mutex_);
            held_ = on;
        }
        changed_.notify_all();
    }

    std::vector<std::byte> bytes;
    std::atomic<unsigned> flushes = 0;
    std::atomic<bool> broken = false;

 private:
    static std::ptrdiff_t at(u64 offset) { return static_cast<std::ptrdiff_t>(offset); }
    void add(std::function<void()> work, Completion done) {
        {
            const std::lock_guard lock(mutex_);
            waiting_.emplace_back(std::move(work), std::move(done));
        }
        changed_.notify_all();
    }
    void run() {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return ending_ || (!held_ && !waiting_.empty()); });
            if (waiting_.empty() || held_) return;
            auto [work, done] = std::move(waiting_.front());
            waiting_.pop_front();
            lock.unlock();
            if (!broken) work();
            done(broken ? bus::BlockStatus::io_error : bus::BlockStatus::ok);
            lock.lock();
        }
    }

    bool read_only_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::pair<std::function<void()>, Completion>> waiting_;
    bool ending_ = false, held_ = false;
    std::jthread worker_{[this] { run(); }};
};

}  // namespace softmetal::devices::testing
