// Several devices on one interrupt line: it is high while any of them drives it, as open-drain PCI pins are
// wired together.
#pragma once

#include "bus/interrupts.hpp"

#include <deque>
#include <mutex>

namespace softmetal::devices::pci {

class SharedLine {
 public:
    explicit SharedLine(bus::InterruptLine& output) : output_(output) {}

    /// A new end for one device, at the same address as long as this object lives. While the machine is
    /// built.
    [[nodiscard]] bus::InterruptLine& add_input() { return inputs_.emplace_back(*this); }

 private:
    class Input final : public bus::InterruptLine {
     public:
        explicit Input(SharedLine& line) : line_(line) {}
        void set_level(bool high) override {
            const std::lock_guard lock(line_.mutex_);
            if (high == high_) return;
            high_ = high;
            line_.driven_ += high ? 1 : -1;
            line_.output_.set_level(line_.driven_ > 0);
        }

     private:
        SharedLine& line_;
        bool high_ = false;
    };

    bus::InterruptLine& output_;
    std::mutex mutex_;
    int driven_ = 0;
    std::deque<Input> inputs_;
};

}  // namespace softmetal::devices::pci
