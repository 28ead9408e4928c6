#include "monitor/stop_gate.hpp"

#include <algorithm>

namespace softmetal::monitor {

void StopGate::add(Vcpu& vcpu) {
    vcpus_.push_back(&vcpu);
    parked_++;
}

void StopGate::request_stops() {
    for (Vcpu* vcpu : vcpus_) vcpu->request(attention::stop);
}

void StopGate::pause() {
    begin_pause();
    wait_until_paused();
}

void StopGate::begin_pause() {
    const std::lock_guard lock(mutex_);
    pauses_++;
    request_stops();
}

void StopGate::wait_until_paused() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return parked_ == vcpus_.size(); });
}

void StopGate::hold(const Vcpu& vcpu, bool held) {
    const std::lock_guard lock(mutex_);
    std::erase(held_, &vcpu);
    if (held) held_.push_back(&vcpu);
}

bool StopGate::may_run(const Vcpu* vcpu) const {
    return pauses_ == 0 && std::ranges::find(held_, vcpu) == held_.end();
}

void StopGate::resume() {
    const std::lock_guard lock(mutex_);
    pauses_--;
    changed_.notify_all();
}

void StopGate::end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    request_stops();
    changed_.notify_all();
}

bool StopGate::enter(const Vcpu& vcpu) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return may_run(&vcpu) || ended_; });
    if (ended_) return false;
    parked_--;
    return true;
}

bool StopGate::pass(Vcpu& vcpu) {
    std::unique_lock lock(mutex_);
    // The request is dropped before its reason is read, so a later one raises it again.
    vcpu.block.attention.fetch_and(~attention::stop);
    parked_++;
    changed_.notify_all();
    changed_.wait(lock, [&] { return may_run(&vcpu) || ended_; });
    parked_--;
    return !ended_;
}

void StopGate::leave() {
    const std::lock_guard lock(mutex_);
    parked_++;
    changed_.notify_all();
}

}  // namespace softmetal::monitor
