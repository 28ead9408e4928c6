#include "machine/vm_process/virtual_time.hpp"

#include "host/monotonic_time.hpp"

#include <algorithm>

namespace softmetal::machine {
namespace {

constexpr u64 paused_flag = u64{1} << 63;  // host time gets there after 292 years
constexpr u64 never = host::TimerQueue::never;

}  // namespace

class VirtualTime::LoopTimer : public bus::Timer {
 public:
    LoopTimer(VirtualTime& time, std::function<void()> callback)
        : time_(time), callback_(std::move(callback)), timer_(time.loop_.create_timer([this] { fire(); })) {
        std::lock_guard lock(time_.mutex_);
        time_.timers_.push_back(this);
    }
    ~LoopTimer() override {
        std::lock_guard lock(time_.mutex_);
        std::erase(time_.timers_, this);
    }

    void arm(bus::Nanoseconds deadline) override {
        std::lock_guard lock(mutex_);
        deadline_ = deadline;
        timer_->arm(time_.host_deadline(deadline));
    }
    void disarm() override {
        std::lock_guard lock(mutex_);
        deadline_ = never;
        timer_->disarm();
    }
    /// The relation of host time and virtual time has changed.
    void arm_again() {
        std::lock_guard lock(mutex_);
        timer_->arm(deadline_ == never ? never : time_.host_deadline(deadline_));
    }

 private:
    void fire() {
        {
            std::lock_guard lock(mutex_);
            // It may have been re-armed, disarmed or paused since the loop decided to call.
            if (deadline_ == never) return;
            if (time_.now() < deadline_) return timer_->arm(time_.host_deadline(deadline_));
            deadline_ = never;
        }
        callback_();
    }

    VirtualTime& time_;
    std::function<void()> callback_;
    std::mutex mutex_;
    bus::Nanoseconds deadline_ = never;
    std::unique_ptr<host::EventLoop::Timer> timer_;  // last: destroyed first, waiting for a running fire()
};

VirtualTime::VirtualTime(host::EventLoop& loop) : loop_(loop), state_(host::monotonic_nanoseconds()) {}

bus::Nanoseconds VirtualTime::now() const {
    const u64 state = state_.load(std::memory_order_acquire);
    if (state & paused_flag) return state & ~paused_flag;
    return host::monotonic_nanoseconds() - state;
}

u64 VirtualTime::host_deadline(bus::Nanoseconds deadline) const {
    const u64 state = state_.load(std::memory_order_acquire);
    if (state & paused_flag) return never;
    return deadline > never - state ? never : deadline + state;
}

std::unique_ptr<bus::Timer> VirtualTime::create_timer(std::function<void()> callback) {
    return std::make_unique<LoopTimer>(*this, std::move(callback));
}

void VirtualTime::pause() {
    if (state_ & paused_flag) return;
    state_ = now() | paused_flag;
    std::lock_guard lock(mutex_);
    for (LoopTimer* timer : timers_) timer->arm_again();
}

void VirtualTime::resume() {
    if (!(state_ & paused_flag)) return;
    state_ = host::monotonic_nanoseconds() - now();
    std::lock_guard lock(mutex_);
    for (LoopTimer* timer : timers_) timer->arm_again();
}

}  // namespace softmetal::machine
