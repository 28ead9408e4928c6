// One thread that waits for descriptors, timers and posted tasks, and runs their callbacks one after another.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "host/timer_queue.hpp"
#include "host/unique_fd.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace softmetal::host {

/// Which directions are waited for, or are ready. A hang-up or an error makes every direction ready: the
/// following read or write then says what happened.
struct Readiness {
    bool read = false;
    bool write = false;
    bool operator==(const Readiness&) const = default;
};

class EventLoop {
 public:
    [[nodiscard]] static Result<std::unique_ptr<EventLoop>> create();
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    /// Runs callbacks on this thread until stop(). May be called again afterwards.
    void run();
    /// Any thread; run() returns after the present callback. Without a run() it ends the next one at once.
    void stop();
    /// Runs `task` on the loop's thread soon. Any thread.
    void post(std::function<void()> task);

    /// One shot. Destroying it waits for a callback running on the loop's thread, unless called from there.
    class Timer {
     public:
        Timer(EventLoop& loop, std::shared_ptr<TimerQueue::Entry> entry)
            : loop_(loop), entry_(std::move(entry)) {}
        ~Timer();
        Timer(const Timer&) = delete;
        Timer& operator=(const Timer&) = delete;
        /// `deadline` is CLOCK_MONOTONIC nanoseconds; one that has passed fires at once. Any thread.
        void arm(u64 deadline) { loop_.timers_->arm(*entry_, deadline); }
        /// A callback that has already begun may still be running when this returns. Any thread.
        void disarm() { loop_.timers_->disarm(*entry_); }

     private:
        EventLoop& loop_;
        std::shared_ptr<TimerQueue::Entry> entry_;
    };
    [[nodiscard]] std::unique_ptr<Timer> create_timer(std::function<void()> callback);

    struct WatchEntry;
    /// Interest in a descriptor, which must stay open meanwhile. Destruction waits as a Timer's does.
    class Watch {
     public:
        Watch(EventLoop& loop, std::shared_ptr<WatchEntry> entry) : loop_(loop), entry_(std::move(entry)) {}
        ~Watch();
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;
        void set_interest(Readiness interest);  // any thread

     private:
        EventLoop& loop_;
        std::shared_ptr<WatchEntry> entry_;
    };
    using WatchCallback = std::function<void(Readiness ready)>;
    [[nodiscard]] Result<std::unique_ptr<Watch>> watch(int fd, Readiness interest, WatchCallback callback);

 private:
    EventLoop(UniqueFd epoll, UniqueFd wake, std::unique_ptr<TimerQueue> timers);
    [[nodiscard]] Result<> set_interest(WatchEntry& entry, Readiness interest);
    void wake();
    void run_tasks();
    void run_watch(u64 id, Readiness ready);
    void run_always_ready();

    UniqueFd epoll_, wake_;
    std::unique_ptr<TimerQueue> timers_;
    std::atomic<bool> stop_requested_ = false;
    /// Held around every callback, so that destroying a Timer or Watch elsewhere waits for it.
    std::recursive_mutex dispatching_;
    std::mutex mutex_;  // guards what follows; taken inside dispatching_, never around a callback
    std::vector<std::function<void()>> tasks_;
    std::map<u64, std::shared_ptr<WatchEntry>> watches_;
    u64 next_watch_id_;
    unsigned always_ready_ = 0;  // watches with an interest that epoll does not take: regular files
};

}  // namespace softmetal::host
