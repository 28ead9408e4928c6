#include "host/event_loop.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace softmetal::host {
namespace {

constexpr u64 wake_id = 0;
constexpr u64 timer_id = 1;
constexpr u64 first_watch_id = 2;

bool add_readable(int epoll, int fd, u64 id) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = id;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

struct EventLoop::WatchEntry {
    u64 id;
    int fd;
    WatchCallback callback;
    Readiness interest{};
    bool always_ready = false;
    bool removed = false;
};

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
    UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
    UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    auto timers = TimerQueue::create();
    if (!timers) return std::unexpected(timers.error());
    if (!epoll.valid() || !wake.valid() || !add_readable(epoll.get(), wake.get(), wake_id) ||
        !add_readable(epoll.get(), (*timers)->fd(), timer_id))
        return fail(fmt::format("cannot create an event loop: {}", std::strerror(errno)));
    return std::unique_ptr<EventLoop>(new EventLoop(std::move(epoll), std::move(wake), std::move(*timers)));
}

EventLoop::EventLoop(UniqueFd epoll, UniqueFd wake, std::unique_ptr<TimerQueue> timers)
    : epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      timers_(std::move(timers)),
      next_watch_id_(first_watch_id) {}

EventLoop::~EventLoop() = default;

void EventLoop::wake() {
    const u64 one = 1;
    [[maybe_unused]] const auto wrote = ::write(wake_.get(), &one, sizeof one);
}

void EventLoop::stop() {
    stop_requested_ = true;
    wake();
}

void EventLoop::post(std::function<void()> task) {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    if (tasks_.size() == 1) wake();  // otherwise a wake-up is under way
}

void EventLoop::run() {
    std::array<epoll_event, 32> events;
    while (!stop_requested_) {
        const bool poll_only = [&] {
            std::lock_guard lock(mutex_);
            return always_ready_ != 0;
        }();
        const int count =
            epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), poll_only ? 0 : -1);
        for (int i = 0; i < count && !stop_requested_; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            if (event.data.u64 == wake_id) {
                run_tasks();
            } else if (event.data.u64 == timer_id) {
                timers_->run_due([&](const std::shared_ptr<TimerQueue::Entry>& entry) {
                    std::lock_guard dispatch(dispatching_);
                    if (!entry->removed) entry->callback();
                });
            } else {
                const bool failed = event.events & (EPOLLERR | EPOLLHUP);
                run_watch(event.data.u64,
                          {(event.events & EPOLLIN) || failed, (event.events & EPOLLOUT) || failed});
            }
        }
        if (poll_only && !stop_requested_) run_always_ready();
    }
    stop_requested_ = false;
}

void EventLoop::run_tasks() {
    u64 ignored;
    [[maybe_unused]] const auto got = ::read(wake_.get(), &ignored, sizeof ignored);
    std::vector<std::function<void()>> tasks;
    {
        std::lock_guard lock(mutex_);
        tasks.swap(tasks_);
    }
    for (const auto& task : tasks) {
        std::lock_guard dispatch(dispatching_);
        task();
    }
}

std::unique_ptr<EventLoop::Timer> EventLoop::create_timer(std::function<void()> callback) {
    auto entry = std::make_shared<TimerQueue::Entry>(std::move(callback));
    timers_->add(entry);
    return std::make_unique<Timer>(*this, std::move(entry));
}

EventLoop::Timer::~Timer() {
    loop_.timers_->remove(*entry_);
    std::lock_guard dispatch(loop_.dispatching_);
    entry_->removed = true;  // run_due() may hold it still
}

Result<std::unique_ptr<EventLoop::Watch>> EventLoop::watch(int fd, Readiness interest,
                                                           WatchCallback callback) {
    std::shared_ptr<WatchEntry> entry;
    {
        std::lock_guard lock(mutex_);
        entry = std::make_shared<WatchEntry>(WatchEntry{next_watch_id_++, fd, std::move(callback)});
        watches_.emplace(entry->id, entry);
    }
    auto watch = std::make_unique<Watch>(*this, entry);
    if (auto set = set_interest(*entry, interest); !set) return std::unexpected(set.error());
    return watch;
}

Result<> EventLoop::set_interest(WatchEntry& entry, Readiness interest) {
    std::lock_guard lock(mutex_);
    if (interest == entry.interest) return {};
    const bool had = entry.interest.read || entry.interest.write;
    const bool has = interest.read || interest.write;
    // Without an interest the descriptor leaves epoll altogether, which would report hang-ups for ever.
    const int operation = !has ? EPOLL_CTL_DEL : had ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    epoll_event event{};
    event.events = (interest.read ? EPOLLIN : 0u) | (interest.write ? EPOLLOUT : 0u);
    event.data.u64 = entry.id;
    if (!entry.always_ready && epoll_ctl(epoll_.get(), operation, entry.fd, &event) != 0) {
        if (errno != EPERM)
            return fail(fmt::format("cannot wait for descriptor {}: {}", entry.fd, std::strerror(errno)));
        entry.always_ready = true;  // a regular file or /dev/null
    }
    if (entry.always_ready && had != has) {
        always_ready_ += has ? 1u : ~0u;
        if (has) wake();
    }
    entry.interest = interest;
    return {};
}

void EventLoop::Watch::set_interest(Readiness interest) {
    // Only a descriptor closed behind our back fails here, and then nothing will ever be ready.
    [[maybe_unused]] const auto set = loop_.set_interest(*entry_, interest);
}

EventLoop::Watch::~Watch() {
    set_interest({});
    {
        std::lock_guard lock(loop_.mutex_);
        loop_.watches_.erase(entry_->id);
    }
    std::lock_guard dispatch(loop_.dispatching_);
    entry_->removed = true;
}

void EventLoop::run_watch(u64 id, Readiness ready) {
    std::lock_guard dispatch(dispatching_);
    std::shared_ptr<WatchEntry> entry;
    {
        std::lock_guard lock(mutex_);
        const auto found = watches_.find(id);
        if (found == watches_.end()) return;
        entry = found->second;
        // An earlier callback of the same round may have changed its mind.
        ready = {ready.read && entry->interest.read, ready.write && entry->interest.write};
    }
    if (!entry->removed && (ready.read || ready.write)) entry->callback(ready);
}

void EventLoop::run_always_ready() {
    std::vector<u64> ids;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [id, entry] : watches_)
            if (entry->always_ready) ids.push_back(id);
    }
    for (u64 id : ids) run_watch(id, {true, true});
}

}  // namespace softmetal::host
