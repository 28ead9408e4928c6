// Drives an interrupt line without holding the device's lock, and without losing an edge or swapping two: the
// level is decided under the device's lock, told to the wire after it.
#pragma once

#include "bus/interrupts.hpp"

#include <atomic>
#include <mutex>

namespace softmetal::devices {

class LineDriver {
 public:
    explicit LineDriver(bus::InterruptLine& line) : line_(line) {}

    /// The level from now on. With the device's lock held.
    void set(bool high) {
        if (high != level()) changes_.fetch_add(1);
    }
    /// A low-to-high edge whatever the level is, which is high afterwards. With the device's lock held.
    void rise() {
        set(false);
        set(true);
    }
    [[nodiscard]] bool level() const { return changes_.load() & 1; }

    /// Tells the wire every change since the last call. With no lock held; the line must not call back.
    void flush() {
        if (told_.load() == changes_.load()) return;
        const std::lock_guard lock(telling_);
        while (told_.load() != changes_.load()) {
            line_.set_level((told_.load() + 1) & 1);
            told_.fetch_add(1);
        }
    }

 private:
    bus::InterruptLine& line_;
    std::atomic<u64> changes_ = 0;  // odd: high
    std::atomic<u64> told_ = 0;
    std::mutex telling_;
};

}  // namespace softmetal::devices
