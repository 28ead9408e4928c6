#include "monitor/run_loop.hpp"

#include "cpu/event_delivery.hpp"

namespace softmetal::monitor {
namespace {

constexpr u64 instructions_per_slice = 1'000'000;

/// Says which counter time belongs to. The clock is read only when that changes: with an interrupt held off
/// by the guest's IF, a slice is a single instruction.
class TimeAccount {
 public:
    TimeAccount(const bus::Clock& clock, Counters& counters) : clock_(clock), counters_(counters) {}
    ~TimeAccount() { charge(nullptr); }
    TimeAccount(const TimeAccount&) = delete;
    TimeAccount& operator=(const TimeAccount&) = delete;

    void charge(u64 Counters::*counter) {
        if (counter == current_) return;
        const bus::Nanoseconds now = clock_.now();
        if (current_) counters_.*current_ += now - since_;
        current_ = counter;
        since_ = now;
    }

 private:
    const bus::Clock& clock_;
    Counters& counters_;
    u64 Counters::*current_ = nullptr;
    bus::Nanoseconds since_ = 0;
};

/// While the vCPU runs no instruction, nobody waits for its engine.
class Rest {
 public:
    explicit Rest(Engine& engine) : engine_(engine) { engine_.rest(); }
    ~Rest() { engine_.catch_up(); }
    Rest(const Rest&) = delete;
    Rest& operator=(const Rest&) = delete;

 private:
    Engine& engine_;
};

/// However the run loop is left, nobody waits for this vCPU any more.
class Departure {
 public:
    Departure(StopGate& gate, Engine& engine) : gate_(gate), engine_(engine) {}
    ~Departure() {
        engine_.rest();
        gate_.leave();
    }
    Departure(const Departure&) = delete;
    Departure& operator=(const Departure&) = delete;

 private:
    StopGate& gate_;
    Engine& engine_;
};

bool pass(StopGate& gate, Vcpu& vcpu, Engine& engine) {
    const Rest rest(engine);
    return gate.pass(vcpu);
}

void sleep(Vcpu& vcpu, Engine& engine) {
    const Rest rest(engine);
    vcpu.wait_for_attention();
}

}  // namespace

RunEnd run_vcpu(Vcpu& vcpu, Engine& engine, StopGate& gate, DebugControl* debug) {
    if (!gate.enter(vcpu)) return RunEnd::stopped;
    const Departure departure(gate, engine);
    TimeAccount time(vcpu.clock, vcpu.counters);
    engine.catch_up();
    for (;;) {
        vcpu.notice_interrupt_window();
        const u32 wanted = vcpu.block.attention.load(std::memory_order_acquire);
        if (wanted & attention::stop) {
            time.charge(nullptr);  // whoever paused us may read the counters
            if (!pass(gate, vcpu, engine)) return RunEnd::stopped;
            continue;
        }
        if (wanted & attention::code) {
            engine.catch_up();
            continue;
        }
        if (debug && vcpu.debugger.stop()) {
            time.charge(nullptr);
            debug->vcpu_stopped(vcpu);
            continue;
        }
        // A step is one instruction, not an interrupt handler's first. A sleeping vCPU steps when it wakes.
        const bool stepping = vcpu.debugger.stepping();
        const bool steps_now = stepping && vcpu.state.activity == Activity::running;
        if (stepping && !steps_now) vcpu.block.attention.fetch_and(~attention::debugger);
        if (wanted && !steps_now && take_pending_event(vcpu)) {
            if (stepping) vcpu.stop_for_debugger({DebuggerStop::Reason::step, {}});
            continue;
        }
        switch (vcpu.state.activity) {
            case Activity::shutdown:
                if (debug && debug->catches_shutdown(vcpu)) break;
                return RunEnd::shutdown;
            case Activity::running:
                time.charge(engine.time_counter());
                engine.run(instructions_per_slice);
                if (stepping) vcpu.stop_for_debugger({DebuggerStop::Reason::step, {}});
                break;
            case Activity::halted:
            case Activity::wait_for_startup:
                time.charge(&Counters::nanoseconds_halted);
                sleep(vcpu, engine);
                break;
        }
    }
}

}  // namespace softmetal::monitor
