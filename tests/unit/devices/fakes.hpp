// Stand-ins for what a device is wired to: virtual time that only moves when told to, lines and streams that
// remember what reached them.
#pragma once

#include "bus/address_space.hpp"
#include "bus/backends/byte_stream.hpp"
#include "bus/clock.hpp"
#include "bus/interrupts.hpp"
#include "bus/platform.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace softmetal::devices::testing {

class FakeClock : public bus::Clock {
 public:
    [[nodiscard]] bus::Nanoseconds now() const override { return now_; }
    /// Moves time without running timers, as when the event loop is late.
    void set(bus::Nanoseconds time) { now_ = std::max(now_, time); }

 private:
    bus::Nanoseconds now_ = 0;
};

/// Timers fire inside run_until() and advance(), in order of their deadlines, with the clock at the deadline.
class FakeTimerFactory : public bus::TimerFactory {
 public:
    explicit FakeTimerFactory(FakeClock& clock) : clock_(clock) {}

    [[nodiscard]] std::unique_ptr<bus::Timer> create_timer(std::function<void()> callback) override {
        auto entry = std::make_shared<Entry>(Entry{std::move(callback), std::nullopt});
        entries_.push_back(entry);
        return std::make_unique<Handle>(std::move(entry));
    }

    void run_until(bus::Nanoseconds time) {
        while (Entry* next = earliest()) {
            if (*next->deadline > time) break;
            clock_.set(*next->deadline);
            next->deadline.reset();
            next->callback();
        }
        clock_.set(time);
    }
    void advance(bus::Nanoseconds duration) { run_until(clock_.now() + duration); }

    /// The deadline of the timer that fires next; none where all are disarmed.
    [[nodiscard]] std::optional<bus::Nanoseconds> next_deadline() {
        const Entry* next = earliest();
        return next ? next->deadline : std::nullopt;
    }

 private:
    struct Entry {
        std::function<void()> callback;
        std::optional<bus::Nanoseconds> deadline;
        bool alive = true;
    };
    class Handle : public bus::Timer {
     public:
        explicit Handle(std::shared_ptr<Entry> entry) : entry_(std::move(entry)) {}
        ~Handle() override {
            entry_->deadline.reset();
            entry_->alive = false;
        }
        void arm(bus::Nanoseconds deadline) override { entry_->deadline = deadline; }
        void disarm() override { entry_->deadline.reset(); }

     private:
        std::shared_ptr<Entry> entry_;
    };

    Entry* earliest() {
        std::erase_if(entries_, [](const auto& e) { return !e->alive; });
        Entry* best = nullptr;
        for (const auto& e : entries_)
            if (e->deadline && (!best || *e->deadline < *best->deadline)) best = e.get();
        return best;
    }

    FakeClock& clock_;
    std::vector<std::shared_ptr<Entry>> entries_;
};

/// Counts level changes; `on_change` lets a test look at or drive something at the very edge.
class FakeLine : public bus::InterruptLine {
 public:
    void set_level(bool high) override {
        if (high == high_) return;
        high_ = high;
        ++(high ? rises_ : falls_);
        if (on_change) on_change(high);
    }
    [[nodiscard]] bool high() const { return high_; }
    [[nodiscard]] unsigned rises() const { return rises_; }
    [[nodiscard]] unsigned falls() const { return falls_; }
    std::function<void(bool)> on_change;

 private:
    bool high_ = false;
    unsigned rises_ = 0, falls_ = 0;
};

class FakeStream : public bus::ByteStream {
 public:
    void write(std::span<const u8> bytes) override { written_.append(bytes.begin(), bytes.end()); }
    [[nodiscard]] std::size_t read(std::span<u8> into) override {
        const std::size_t count = std::min(into.size(), waiting_.size());
        std::copy_n(waiting_.begin(), count, into.begin());
        waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
        return count;
    }
    void on_readable(std::function<void()> callback) override { readable_ = std::move(callback); }

    /// Bytes come from outside.
    void feed(const std::string& text) {
        waiting_.insert(waiting_.end(), text.begin(), text.end());
        if (readable_) readable_();
    }
    [[nodiscard]] const std::string& written() const { return written_; }
    [[nodiscard]] std::size_t unread() const { return waiting_.size(); }

 private:
    std::string written_;
    std::deque<u8> waiting_;
    std::function<void()> readable_;
};

class FakePlatform : public bus::PlatformControl {
 public:
    void request_power_off() override { ++power_offs; }
    void request_reset() override { ++resets; }
    void request_exit(u32 value) override { exit_value = value; }
    unsigned power_offs = 0, resets = 0;
    std::optional<u32> exit_value;
};

/// Byte accesses, as guests' port I/O mostly is.
inline u8 in(bus::IoHandler& handler, u64 offset) { return static_cast<u8>(handler.read_io(offset, 1)); }
inline void out(bus::IoHandler& handler, u64 offset, u8 value) { handler.write_io(offset, 1, value); }

}  // namespace softmetal::devices::testing
