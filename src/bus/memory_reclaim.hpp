// How a device gives memory back to the host that the guest does not need at the moment.
#pragma once

#include "base/address.hpp"

namespace softmetal::bus {

class MemoryReclaim {
 public:
    virtual ~MemoryReclaim() = default;
    /// What these bytes hold may be lost: whole pages of RAM among them cost the host nothing, and read as
    /// zero, until they are written again. What is not RAM stays as it is. The result is how many bytes were
    /// given back. Any thread.
    virtual u64 reclaim(GuestPhysical first, u64 bytes) = 0;
};

}  // namespace softmetal::bus
