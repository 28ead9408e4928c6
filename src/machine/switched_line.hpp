// One interrupt output with two sources, of which a switch lets one through.
#pragma once

#include "bus/interrupts.hpp"

#include <array>
#include <mutex>

namespace softmetal::machine {

class SwitchedLine {
 public:
    explicit SwitchedLine(bus::InterruptLine& output) : output_(output) {}

    [[nodiscard]] bus::InterruptLine& ordinary() { return sources_[0]; }
    [[nodiscard]] bus::InterruptLine& replacement() { return sources_[1]; }
    void select_replacement(bool on) {
        const std::lock_guard lock(mutex_);
        selected_ = on ? 1 : 0;
        output_.set_level(sources_[selected_].high);
    }

 private:
    struct Source final : bus::InterruptLine {
        explicit Source(SwitchedLine& owner) : line(owner) {}
        void set_level(bool level) override {
            const std::lock_guard lock(line.mutex_);
            high = level;
            if (&line.sources_[line.selected_] == this) line.output_.set_level(level);
        }
        SwitchedLine& line;
        bool high = false;
    };

    bus::InterruptLine& output_;
    std::mutex mutex_;
    unsigned selected_ = 0;
    std::array<Source, 2> sources_{Source(*this), Source(*this)};
};

}  // namespace softmetal::machine
