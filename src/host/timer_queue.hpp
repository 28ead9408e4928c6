// Any number of one-shot timers on one timerfd. Arming costs a system call only where the new deadline is
// earlier than what the timerfd waits for: guests re-arm their APIC timer far more often than it fires.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "host/unique_fd.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace softmetal::host {

class TimerQueue {
 public:
    static constexpr u64 never = ~u64{0};

    struct Entry {
        explicit Entry(std::function<void()> function) : callback(std::move(function)) {}
        std::function<void()> callback;
        u64 deadline = never;  // CLOCK_MONOTONIC nanoseconds; guarded by the queue's mutex
        bool removed = false;  // for the one who calls back
    };

    [[nodiscard]] static Result<std::unique_ptr<TimerQueue>> create();

    /// Becomes readable when run_due() has something to do.
    [[nodiscard]] int fd() const { return timer_.get(); }

    // Any thread.
    void add(std::shared_ptr<Entry> entry);
    void remove(const Entry& entry);
    void arm(Entry& entry, u64 deadline);
    void disarm(Entry& entry);

    /// Hands every entry whose time has come to `call`, earliest first, with no lock held.
    void run_due(const std::function<void(const std::shared_ptr<Entry>&)>& call);

 private:
    explicit TimerQueue(UniqueFd timer) : timer_(std::move(timer)) {}
    void program(u64 deadline);

    UniqueFd timer_;
    std::mutex mutex_;
    std::vector<std::shared_ptr<Entry>> entries_;  // a machine has tens: scanning them beats a heap
    u64 programmed_ = never;  // what the timerfd waits for; it may be earlier than needed
};

}  // namespace softmetal::host
