// One interrupt output, two inputs: what goes to the 8259 and to the I/O APIC.
#pragma once

#include "bus/interrupts.hpp"

namespace softmetal::machine {

class SplitLine final : public bus::InterruptLine {
 public:
    SplitLine(bus::InterruptLine& first, bus::InterruptLine& second) : first_(first), second_(second) {}
    void set_level(bool high) override {
        first_.set_level(high);
        second_.set_level(high);
    }

 private:
    bus::InterruptLine& first_;
    bus::InterruptLine& second_;
};

}  // namespace softmetal::machine
