// The machine's one clock, and timers on it: the host's steady clock from the moment of creation, less the
// time it was paused.
#pragma once

#include "bus/clock.hpp"
#include "host/event_loop.hpp"

#include <atomic>
#include <mutex>
#include <vector>

namespace softmetal::machine {

class VirtualTime : public bus::Clock, public bus::TimerFactory, public bus::TimeControl {
 public:
    explicit VirtualTime(host::EventLoop& loop);
    VirtualTime(const VirtualTime&) = delete;
    VirtualTime& operator=(const VirtualTime&) = delete;

    [[nodiscard]] bus::Nanoseconds now() const override;
    /// Timers must be destroyed before this.
    [[nodiscard]] std::unique_ptr<bus::Timer> create_timer(std::function<void()> callback) override;

    /// No timer fires in between.
    void pause() override;
    void resume() override;

 private:
    class LoopTimer;
    [[nodiscard]] u64 host_deadline(bus::Nanoseconds deadline) const;

    host::EventLoop& loop_;
    /// Running: the host time at virtual time 0. Paused: `paused_flag` and the virtual time it stands at. One
    /// word, so that now() needs no lock.
    std::atomic<u64> state_;
    std::mutex mutex_;  // guards timers_; taken before a timer's own
    std::vector<LoopTimer*> timers_;
};

}  // namespace softmetal::machine
