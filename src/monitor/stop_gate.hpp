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
    /// pause() in two steps. The first does not wait, so a vCPU's thread may take it too.
    void begin_pause();
    void wait_until_paused();
    /// Where `held`, a resume() lets this vCPU stay where it stands. While everything is paused.
    void hold(const Vcpu& vcpu, bool held);
    /// For good; does not wait. Any thread.
    void end();

    // A vCPU's thread. enter() and pass() wait out pauses; they are false where the machine ends.
    [[nodiscard]] bool enter(const Vcpu& vcpu);
    /// When it sees attention::stop.
    [[nodiscard]] bool pass(Vcpu& vcpu);
    /// After an enter() that was true: it will not run the guest any more.
    void leave();

 private:
    void request_stops();
    [[nodiscard]] bool may_run(const Vcpu* vcpu) const;  // mutex held

    std::vector<Vcpu*> vcpus_;
    std::vector<const Vcpu*> held_;
    std::mutex mutex_;
    std::condition_variable changed_;
    unsigned pauses_ = 0;
    std::size_t parked_ = 0;  // not begun, at the gate, or gone
    bool ended_ = false;
};

}  // namespace softmetal::monitor
