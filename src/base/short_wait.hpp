// Looking a little before sleeping: to put a thread to sleep and to wake it on another core costs more than
// to wait for an answer that is already on its way.
#pragma once

#include "base/integers.hpp"

#include <algorithm>
#include <thread>

namespace softmetal {

/// Whether it pays to look, at one place that waits, learnt from how long it waited before. One thread at a
/// time.
class ShortWait {
 public:
    static constexpr u64 longest = 50'000;  // nanoseconds

    [[nodiscard]] bool worth_looking() const {
        // On the only processor whoever looks keeps off the one that would answer.
        static const bool others = std::thread::hardware_concurrency() > 1;
        return others && sleeps_before_next_ == 0;
    }

    /// For `longest` at most; `now()` is in nanoseconds. True as soon as `ready()` is.
    template <class Now, class Ready>
    [[nodiscard]] bool look(Now now, Ready ready) {
        const u64 begin = now();
        for (unsigned reading = 0; reading < readings_max && now() - begin < longest; reading++)
            for (unsigned n = 0; n < looks_per_reading; n++) {
                if (ready()) {
                    failures_ = 0;
                    return true;
                }
                asm volatile("pause");
            }
        failures_ = std::min(failures_ + 1, failures_max);
        sleeps_before_next_ = 1u << failures_;
        return false;
    }

    /// It slept, whether it had looked before or not, and what it waited for took this long in all. Only
    /// short ones make looking worth another attempt: who idles sleeps at once.
    void slept(u64 nanoseconds) {
        constexpr u64 with_way_there_and_back = 4 * longest;
        if (nanoseconds >= with_way_there_and_back)
            sleeps_before_next_ = std::max(sleeps_before_next_, 1u);
        else if (sleeps_before_next_)
            sleeps_before_next_--;
    }

 private:
    static constexpr unsigned looks_per_reading = 16, readings_max = 1000, failures_max = 10;
    unsigned sleeps_before_next_ = 1;
    unsigned failures_ = 0;  // since the last success
};

}  // namespace softmetal
