#include "host/timer_queue.hpp"

#include "host/monotonic_time.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace softmetal::host {

Result<std::unique_ptr<TimerQueue>> TimerQueue::create() {
    UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!timer.valid()) return fail(fmt::format("cannot create a timer: {}", std::strerror(errno)));
    return std::unique_ptr<TimerQueue>(new TimerQueue(std::move(timer)));
}

void TimerQueue::program(u64 deadline) {
    programmed_ = deadline;
    const u64 nonzero = std::max<u64>(deadline, 1);  // zero would disarm
    itimerspec spec{};
    spec.it_value.tv_sec = static_cast<time_t>(nonzero / 1'000'000'000);
    spec.it_value.tv_nsec = static_cast<long>(nonzero % 1'000'000'000);
    timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void TimerQueue::add(std::shared_ptr<Entry> entry) {
    std::lock_guard lock(mutex_);
    entries_.push_back(std::move(entry));
}

void TimerQueue::remove(const Entry& entry) {
    std::lock_guard lock(mutex_);
    std::erase_if(entries_, [&](const auto& e) { return e.get() == &entry; });
}

void TimerQueue::arm(Entry& entry, u64 deadline) {
    std::lock_guard lock(mutex_);
    entry.deadline = deadline;
    if (deadline < programmed_) program(deadline);
}

void TimerQueue::disarm(Entry& entry) {
    std::lock_guard lock(mutex_);
    entry.deadline = never;
}

void TimerQueue::run_due(const std::function<void(const std::shared_ptr<Entry>&)>& call) {
    u64 expirations = 0;
    [[maybe_unused]] const auto got = ::read(timer_.get(), &expirations, sizeof expirations);

    struct Due {
        u64 deadline;
        std::shared_ptr<Entry> entry;
    };
    std::vector<Due> due;
    {
        std::lock_guard lock(mutex_);
        programmed_ = 0;  // callbacks re-arm their timers: program once, after the last of them
        const u64 now = monotonic_nanoseconds();
        for (const auto& entry : entries_)
            if (entry->deadline <= now && entry->deadline != never) {
                due.push_back({entry->deadline, entry});
                entry->deadline = never;
            }
    }
    std::ranges::stable_sort(due, {}, &Due::deadline);
    for (const Due& d : due) call(d.entry);

    std::lock_guard lock(mutex_);
    programmed_ = never;
    u64 next = never;
    for (const auto& entry : entries_) next = std::min(next, entry->deadline);
    if (next != never) program(next);
}

}  // namespace softmetal::host
