#include "devices/local_apic/local_apic.hpp"

#include "x86/msrs.hpp"

namespace softmetal::devices {

using apic::DeliveryMode;
namespace msr = x86::msr;

LocalApic::LocalApic(const Resources& resources)
    : LocalApic(resources,
                LocalApicChip(resources.id, resources.bootstrap, resources.physical_address_bits).state(),
                false) {}

LocalApic::LocalApic(Resources resources, const LocalApicChip::State& state, bool external_latched)
    : resources_(std::move(resources)),
      chip_(resources_.id, resources_.bootstrap, resources_.physical_address_bits, state),
      external_level_(state.pins[0]),
      external_latched_(external_latched),
      timer_(resources_.timers.create_timer([this] { timer_fired(); })) {
    settle(Lock(mutex_), {});
}

void LocalApic::reset() {
    Lock lock(mutex_);
    chip_.reset();
    external_latched_ = false;
    settle(std::move(lock), {});
}

void LocalApic::initialize() {
    {
        Lock lock(mutex_);
        chip_.init();
        external_latched_ = false;
        settle(std::move(lock), {});
    }
    resources_.cpu.init();
}

void LocalApic::settle(Lock lock, const LocalApicChip::Effects& effects) {
    external_gate_ = chip_.passes_external_interrupts();
    arm_timer();
    lock.unlock();
    if (deliverable()) resources_.cpu.interrupt_pending();
    if (effects.nonmaskable) resources_.cpu.nonmaskable_interrupt();
    if (effects.init) initialize();
    if (effects.level_ended) resources_.fabric.end_of_interrupt(*effects.level_ended);
    if (effects.command) resources_.fabric.dispatch(*effects.command, this);
}

void LocalApic::arm_timer() {
    const auto expiry = chip_.timer_interrupt();
    if (expiry == armed_) return;
    armed_ = expiry;
    if (expiry)
        timer_->arm(*expiry);
    else
        timer_->disarm();
}

void LocalApic::timer_fired() {
    Lock lock(mutex_);
    armed_.reset();  // fired, perhaps for a deadline that has been replaced since: arm anew in any case
    chip_.advance(resources_.clock.now());
    settle(std::move(lock), {});
}

bool LocalApic::external_deliverable() const {
    return external_latched_.load() || (external_level_.load() && external_gate_.load());
}

bool LocalApic::deliverable() const { return external_deliverable() || chip_.deliverable(); }

std::optional<u8> LocalApic::acknowledge() {
    if (external_deliverable()) {
        external_latched_ = false;
        if (const auto vector = resources_.acknowledge_external()) return vector;
    }
    const std::lock_guard lock(mutex_);
    return chip_.take();
}

void LocalApic::deliver(const apic::InterruptRequest& request) {
    switch (request.mode) {
        case DeliveryMode::fixed:
        case DeliveryMode::lowest_priority: chip_.accept(request.vector, request.level_triggered); break;
        case DeliveryMode::external: external_latched_ = true; break;
        case DeliveryMode::nmi: resources_.cpu.nonmaskable_interrupt(); return;
        case DeliveryMode::init: initialize(); return;
        case DeliveryMode::startup: resources_.cpu.startup(request.vector); return;
        default: return;  // SMI: there is no system management mode
    }
    if (deliverable()) resources_.cpu.interrupt_pending();
}

void LocalApic::set_pin(unsigned lint, bool high) {
    LocalApicChip::Effects effects;
    Lock lock(mutex_);
    if (lint == 0) external_level_ = high;
    chip_.set_pin(lint, high, effects);
    settle(std::move(lock), effects);
}

u8 LocalApic::task_priority() const {
    const std::lock_guard lock(mutex_);
    return chip_.task_priority();
}

void LocalApic::set_task_priority(u8 value) {
    Lock lock(mutex_);
    chip_.set_task_priority(value);
    settle(std::move(lock), {});
}

bool LocalApic::set_base(u64 value) {
    Lock lock(mutex_);
    chip_.advance(resources_.clock.now());
    const bool allowed = chip_.set_base(value);
    settle(std::move(lock), {});
    return allowed;
}

u32 LocalApic::read_register(u32 offset) {
    Lock lock(mutex_);
    if (!chip_.globally_enabled() || chip_.x2apic()) return 0xffff'ffff;  // nothing decodes the page
    const auto now = resources_.clock.now();
    chip_.advance(now);
    const auto value = chip_.read(offset, now);
    if (!value && offset % 16 == 0) chip_.illegal_register_access();
    settle(std::move(lock), {});
    return static_cast<u32>(value.value_or(0));
}

void LocalApic::write_register(u32 offset, u32 value) {
    Lock lock(mutex_);
    if (!chip_.globally_enabled() || chip_.x2apic()) return;
    const auto now = resources_.clock.now();
    LocalApicChip::Effects effects;
    chip_.advance(now);
    if (!chip_.write(offset, value, now, effects) && offset % 16 == 0) chip_.illegal_register_access();
    settle(std::move(lock), effects);
}

std::optional<u64> LocalApic::read_msr(u32 index) {
    Lock lock(mutex_);
    const auto now = resources_.clock.now();
    chip_.advance(now);
    std::optional<u64> value;
    if (index == msr::tsc_deadline)
        value = chip_.timer().state().tsc_deadline;
    else if (chip_.x2apic() && index >= msr::x2apic_first && index <= msr::x2apic_last)
        value = chip_.read((index - msr::x2apic_first) * 16, now);
    settle(std::move(lock), {});
    return value;
}

bool LocalApic::write_msr(u32 index, u64 value) {
    Lock lock(mutex_);
    const auto now = resources_.clock.now();
    LocalApicChip::Effects effects;
    chip_.advance(now);
    bool allowed = true;
    if (index == msr::tsc_deadline) {
        write_deadline(value);
        chip_.advance(now);  // a deadline in the past interrupts at once
    } else if (chip_.x2apic() && index >= msr::x2apic_first && index <= msr::x2apic_last) {
        allowed = chip_.write((index - msr::x2apic_first) * 16, value, now, effects);
    } else {
        allowed = false;
    }
    settle(std::move(lock), effects);
    return allowed;
}

void LocalApic::write_deadline(u64 tsc) {
    chip_.timer().set_tsc_deadline(tsc, tsc ? resources_.time_of_tsc(tsc) : 0);
}

void LocalApic::time_stamp_counter_changed() {
    Lock lock(mutex_);
    const auto now = resources_.clock.now();
    if (const u64 deadline = chip_.timer().state().tsc_deadline) write_deadline(deadline);
    chip_.advance(now);
    settle(std::move(lock), {});
}

void LocalApic::set_virtual_wire() {
    using LocalVector = LocalApicChip::LocalVector;
    constexpr auto mode = [](DeliveryMode m) {
        return static_cast<u32>(m) << apic::lvt::delivery_mode_shift;
    };
    Lock lock(mutex_);
    LocalApicChip::Effects effects;
    const bool done = chip_.write(apic::reg::spurious_vector, apic::spurious::enabled | 0xff,
                                  resources_.clock.now(), effects);
    if (done) {
        chip_.set_local_vector(LocalVector::lint0, mode(DeliveryMode::external));
        chip_.set_local_vector(LocalVector::lint1, mode(DeliveryMode::nmi));
    }
    settle(std::move(lock), effects);
}

}  // namespace softmetal::devices
