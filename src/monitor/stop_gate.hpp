// The one primitive that stops all vCPUs: at instruction boundaries, for a while or for good.
#pragma once

#include "cpu/vcpu.hpp"

#include <condition_variable>
#include <mutex>
#include <vector>

namespace softmetal::monitor {

class StopGate {
 public:
    /// While the machine is built: the vCPU's thread will pass this gate.
    void add(Vcpu& vcpu);

    /// Returns when every vCPU thread stands at the gate or has left. Not from a vCPU thread. Pauses nest.
    void pause();
    void resume();
    /// For good; does not wait. Any thread.
    void end();

    // A vCPU's thread. enter() and pass() wait out pauses; they are false where the machine ends.
    [[nodiscard]] bool enter();
    /// When it sees attention::stop.
    [[nodiscard]] bool pass(Vcpu& vcpu);
    /// After an enter() that was true: it will not run the guest any more.
    void leave();

 private:
    void request_stops();

    std::vector<Vcpu*> vcpus_;
    std::mutex mutex_;
    std::condition_variable changed_;
    unsigned pauses_ = 0;
    std::size_t parked_ = 0;  // not begun, at the gate, or gone
    bool ended_ = false;
};

}  // namespace softmetal::monitor
