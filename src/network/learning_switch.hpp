// Which port of an Ethernet switch a frame goes to: a switch learns where addresses are from the frames that
// come from there (IEEE 802.1D, ch. 7.8), and sends everywhere what it knows no place for.
#pragma once

#include "bus/backends/network_link.hpp"

#include <optional>
#include <span>
#include <unordered_map>

namespace softmetal::network {

class LearningSwitch {
 public:
    using Port = u32;
    /// More are not learnt: a guest that invents addresses costs no more memory.
    static constexpr std::size_t most_addresses = 4096;

    /// The port that a frame from `from` is for, which may be `from` itself; none where it is for all others.
    [[nodiscard]] std::optional<Port> destination(Port from, std::span<const std::byte> frame);
    /// Nobody is there any more.
    void forget(Port port);

 private:
    std::unordered_map<u64, Port> places_;
};

}  // namespace softmetal::network
