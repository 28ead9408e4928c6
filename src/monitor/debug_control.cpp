#include "monitor/debug_control.hpp"

#include <algorithm>

namespace softmetal::monitor {

using Reason = DebuggerStop::Reason;

// --- a vCPU's thread

void DebugControl::vcpu_stopped(Vcpu& vcpu) {
    vcpu.block.attention.fetch_and(~attention::debugger);
    {
        const std::lock_guard lock(mutex_);
        if (!attached_) return vcpu.debugger.clear_stop();
        if (!pausing_) gate_.begin_pause();
        pausing_ = true;
    }
    announce();
}

bool DebugControl::catches_shutdown(Vcpu& vcpu) {
    if (!attached_ || !vcpu.debugger.first_shutdown()) return false;
    vcpu.debugger.note({Reason::shutdown, {}});
    vcpu_stopped(vcpu);
    return true;
}

void DebugControl::announce() {
    std::function<void()> listener;
    {
        const std::lock_guard lock(mutex_);
        listener = stopped_;
    }
    if (listener) listener();
}

// --- the debugger's thread

void DebugControl::attach(std::function<void()> stopped) {
    const std::lock_guard lock(mutex_);
    stopped_ = std::move(stopped);
    attached_ = true;
}

void DebugControl::detach() {
    halt();
    breakpoints_.clear();
    watchpoints_.clear();
    {
        const std::lock_guard lock(mutex_);
        stopped_ = nullptr;
        attached_ = false;
    }
    for (Vcpu* vcpu : vcpus_) vcpu->debugger.clear_stop();
    const std::vector<Resumption> all(vcpus_.size(), Resumption::run);
    resume(all);
}

void DebugControl::halt() {
    if (halted_) return;
    {
        const std::lock_guard lock(mutex_);
        if (!pausing_) gate_.begin_pause();
        pausing_ = true;
    }
    gate_.wait_until_paused();
    if (time_) time_->pause();
    halted_ = true;
}

std::optional<DebugControl::Stop> DebugControl::take_stop() {
    for (std::size_t n = 0; n < vcpus_.size(); n++) {
        DebuggerPort& port = vcpus_[n]->debugger;
        if (!port.stop()) continue;
        const Stop stop{n, *port.stop()};
        port.clear_stop();
        return stop;
    }
    return std::nullopt;
}

void DebugControl::resume(std::span<const Resumption> how) {
    if (!halted_) return;
    bool untold = false;
    for (Vcpu* vcpu : vcpus_) {
        DebuggerPort& port = vcpu->debugger;
        // A breakpoint is met again; a step is over whether anybody hears of it or not.
        if (port.stop() && (port.stop()->reason == Reason::breakpoint || port.stop()->reason == Reason::step))
            port.clear_stop();
        untold |= port.stop().has_value();
    }
    if (untold) return announce();
    for (std::size_t n = 0; n < vcpus_.size(); n++) prepare(*vcpus_[n], how[n]);
    halted_ = false;
    if (time_) time_->resume();
    const std::lock_guard lock(mutex_);
    pausing_ = false;
    gate_.resume();
}

void DebugControl::prepare(Vcpu& vcpu, Resumption how) {
    DebuggerPort& port = vcpu.debugger;
    if (port.set(breakpoints_, watchpoints_)) vcpu.mmu.rights_changed();
    port.resumes_at({vcpu.state.linear_rip()});
    if (vcpu.state.activity != Activity::shutdown) port.forget_shutdown();
    port.set_stepping(how == Resumption::step);
    gate_.hold(vcpu, how == Resumption::stay);
    if (how == Resumption::step)
        vcpu.request(attention::debugger);
    else
        vcpu.block.attention.fetch_and(~attention::debugger);
}

bool DebugControl::add_breakpoint(u64 address) {
    if (std::ranges::find(breakpoints_, address) != breakpoints_.end()) return true;
    if (breakpoints_.size() == maximum_breakpoints) return false;
    breakpoints_.push_back(address);
    return true;
}

bool DebugControl::add_watchpoint(const Watchpoint& watchpoint) {
    if (std::ranges::find(watchpoints_, watchpoint) != watchpoints_.end()) return true;
    if (watchpoints_.size() == maximum_watchpoints) return false;
    watchpoints_.push_back(watchpoint);
    return true;
}

bool DebugControl::remove_breakpoint(u64 address) { return std::erase(breakpoints_, address) != 0; }

bool DebugControl::remove_watchpoint(const Watchpoint& watchpoint) {
    return std::erase(watchpoints_, watchpoint) != 0;
}

}  // namespace softmetal::monitor
