// The far end of a network card's cable, which does what a test says.
#pragma once

#include "bus/backends/network_link.hpp"

#include <vector>

namespace softmetal::devices::testing {

struct FakeLink final : bus::NetworkLink {
    void connect(bus::NetworkCard& c) override { card = &c; }
    bool send(std::span<const std::byte> frame) override {
        if (full) return false;
        sent.emplace_back(frame.begin(), frame.end());
        return true;
    }
    void room() override { rooms++; }
    void call_back() override { call_backs++; }

    bus::NetworkCard* card = nullptr;
    std::vector<std::vector<std::byte>> sent;
    bool full = false;
    unsigned rooms = 0, call_backs = 0;
};

}  // namespace softmetal::devices::testing
