// One side of a relay between a socket of the outside's and one of the VM process', which must not hold the
// former itself.
#pragma once

#include "base/integers.hpp"
#include "host/event_loop.hpp"
#include "host/unique_fd.hpp"

#include <memory>
#include <vector>

namespace softmetal {

struct RelaySide {
    /// As much as may wait for a side before the other is read no further.
    static constexpr std::size_t buffer_bytes = 64 * 1024;

    host::UniqueFd socket;
    std::vector<u8> to_it;
    std::unique_ptr<host::EventLoop::Watch> watch;

    [[nodiscard]] bool has_room() const { return to_it.size() < buffer_bytes; }
    /// What has come is for `other`. False at the end of this side.
    [[nodiscard]] bool receive_for(RelaySide& other) const;
    /// All that has come by now, as far as `other` has room.
    void receive_all_for(RelaySide& other) const;
    /// As much of `to_it` as the socket takes. False where nobody is there any more.
    [[nodiscard]] bool send();
};

}  // namespace softmetal
