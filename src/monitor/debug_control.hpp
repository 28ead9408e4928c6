// Halts and resumes the machine for a debugger outside the guest, and tells it which vCPU has stopped and
// why. All vCPUs halt together, and virtual time stands still with them.
#pragma once

#include "bus/clock.hpp"
#include "monitor/stop_gate.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace softmetal::monitor {

class DebugControl {
 public:
    /// More than anybody sets by hand; each costs every TLB miss a comparison.
    static constexpr std::size_t maximum_breakpoints = 1024, maximum_watchpoints = 64;

    /// `time` may be null: it then goes on while the machine is halted.
    DebugControl(StopGate& gate, bus::TimeControl* time) : gate_(gate), time_(time) {}
    /// While the machine is built, in the order of their numbers.
    void add(Vcpu& vcpu) { vcpus_.push_back(&vcpu); }
    [[nodiscard]] std::span<Vcpu* const> vcpus() const { return vcpus_; }

    // --- a vCPU's thread

    /// It has a reason to stop: everything pauses, and the debugger is told.
    void vcpu_stopped(Vcpu& vcpu);
    /// A triple fault stops in the debugger, once; false where the machine is to end.
    [[nodiscard]] bool catches_shutdown(Vcpu& vcpu);

    // --- the debugger's thread, one at a time

    /// `stopped` is called, on a vCPU's thread, when one has a reason to stop; halt() comes next.
    void attach(std::function<void()> stopped);
    /// Takes all breakpoints out and lets the machine run.
    void detach();

    /// Returns when every vCPU stands. At once where the machine is halted, has ended, or has not begun.
    void halt();
    /// Whom the debugger should look at, and why it has stopped; none where it was told to. While halted.
    struct Stop {
        std::size_t vcpu = 0;
        DebuggerStop why;
    };
    [[nodiscard]] std::optional<Stop> take_stop();

    enum class Resumption : u8 { stay, step, run };
    /// One for each vCPU. Where a stop has not been taken yet nothing runs, and it is announced instead.
    void resume(std::span<const Resumption> how);

    // --- while halted; in force from the next resume()

    /// False where there are too many. Linear addresses, in whatever address space.
    [[nodiscard]] bool add_breakpoint(u64 address);
    [[nodiscard]] bool add_watchpoint(const Watchpoint& watchpoint);
    /// False where there is none such.
    [[nodiscard]] bool remove_breakpoint(u64 address);
    [[nodiscard]] bool remove_watchpoint(const Watchpoint& watchpoint);

 private:
    void announce();
    void prepare(Vcpu& vcpu, Resumption how);

    StopGate& gate_;
    bus::TimeControl* time_;
    std::vector<Vcpu*> vcpus_;
    std::vector<u64> breakpoints_;
    std::vector<Watchpoint> watchpoints_;
    std::atomic<bool> attached_ = false;
    bool halted_ = false;  // and time with it; the debugger's thread only

    std::mutex mutex_;  // guards what follows; the gate's comes after it
    bool pausing_ = false;
    std::function<void()> stopped_;
};

}  // namespace softmetal::monitor
