#include "devices/local_apic/local_apic_chip.hpp"

#include "base/address.hpp"
#include "base/bits.hpp"

namespace softmetal::devices {

namespace {

using namespace apic;
using LocalVector = LocalApicChip::LocalVector;

constexpr u32 class_of(u32 vector_or_priority) { return vector_or_priority & 0xf0; }

constexpr LocalVector lint_entry(unsigned lint) { return lint ? LocalVector::lint1 : LocalVector::lint0; }

constexpr bool is_local_vector(u32 offset) {
    return offset >= reg::lvt_timer && offset <= reg::lvt_error && offset % 16 == 0;
}

constexpr DeliveryMode delivery_mode(u32 entry) {
    return static_cast<DeliveryMode>((entry & lvt::delivery_mode) >> lvt::delivery_mode_shift);
}

constexpr u32 writable(LocalVector entry) {
    switch (entry) {
        case LocalVector::timer: return lvt::timer_writable;
        case LocalVector::lint0:
        case LocalVector::lint1: return lvt::lint_writable;
        case LocalVector::error: return lvt::error_writable;
        default: return lvt::monitor_writable;
    }
}

}  // namespace

LocalApicChip::LocalApicChip(u32 id, bool bootstrap, unsigned physical_address_bits)
    : id_(id), bootstrap_(bootstrap), physical_address_bits_(physical_address_bits) {
    reset();
}

LocalApicChip::LocalApicChip(u32 id, bool bootstrap, unsigned physical_address_bits, const State& state)
    : LocalApicChip(id, bootstrap, physical_address_bits) {
    base_ = state.base;
    spurious_ = state.spurious_vector;
    logical_destination_ = state.logical_destination;
    destination_format_ = state.destination_format;
    for (unsigned i = 0; i < local_vectors; ++i) local_[i] = state.local[i];
    requests_.set_words(state.requests);
    in_service_.set_words(state.in_service);
    trigger_mode_.set_words(state.trigger_mode);
    error_pending_ = state.error_pending;
    error_latched_ = state.error_latched;
    task_priority_ = state.task_priority;
    command_ = state.command;
    pins_ = state.pins;
    timer_ = ApicTimer(state.timer);
    update_priority();
}

LocalApicChip::State LocalApicChip::state() const {
    State s{.base = base_,
            .task_priority = task_priority_,
            .logical_destination = logical_destination_,
            .destination_format = destination_format_,
            .spurious_vector = spurious_,
            .error_latched = error_latched_,
            .error_pending = error_pending_,
            .command = command_,
            .local = {},
            .requests = requests_.words(),
            .in_service = in_service_.words(),
            .trigger_mode = trigger_mode_.words(),
            .pins = pins_,
            .timer = timer_.state()};
    for (unsigned i = 0; i < local_vectors; ++i) s.local[i] = local_[i];
    return s;
}

void LocalApicChip::reset() {
    base_ = apic::base::reset_address | apic::base::enabled | (bootstrap_ ? apic::base::bootstrap : 0);
    init();
}

// SDM vol. 3, ch. 10.4.7.1: masks set, flat model, software-disabled, spurious vector 0xff.
void LocalApicChip::init() {
    spurious_ = 0xff;
    logical_destination_ = 0;
    destination_format_ = 0xffff'ffff;
    for (auto& entry : local_) entry = lvt::masked;
    requests_.clear_all();
    in_service_.clear_all();
    trigger_mode_.clear_all();
    error_pending_ = 0;
    error_latched_ = 0;
    task_priority_ = 0;
    command_ = 0;
    timer_ = ApicTimer();
    update_priority();
}

bool LocalApicChip::set_base(u64 value) {
    namespace b = apic::base;
    const u64 address = low_bits(physical_address_bits_) & page_mask;
    if (value & ~(address | b::bootstrap | b::x2apic | b::enabled)) return false;
    const u64 old_mode = base() & (b::x2apic | b::enabled);
    const u64 new_mode = value & (b::x2apic | b::enabled);
    if (new_mode == b::x2apic) return false;
    if (old_mode == 0 && new_mode == (b::x2apic | b::enabled)) return false;
    if (old_mode == (b::x2apic | b::enabled) && new_mode == b::enabled) return false;
    base_ = (value & ~b::bootstrap) | (bootstrap_ ? b::bootstrap : 0);
    // A disabled APIC forgets: it comes back as after a power-up (ch. 10.4.3).
    if (new_mode == 0 && old_mode != 0) init();
    return true;
}

void LocalApicChip::accept(u8 vector, bool level_triggered) {
    if (!globally_enabled() || !software_enabled()) return;
    if (vector < 16) return raise_error(error::receive_illegal_vector);
    trigger_mode_.assign(vector, level_triggered);
    requests_.set(vector);
}

void LocalApicChip::raise_error(u32 bits) {
    error_pending_.fetch_or(bits);
    const u32 entry = local(LocalVector::error);
    const u8 vector = static_cast<u8>(entry & lvt::vector);
    // An illegal vector here must not raise the next error: it would never end.
    if (!(entry & lvt::masked) && vector >= 16) accept(vector, false);
}

u32 LocalApicChip::logical_id() const {
    return x2apic() ? (id_ >> 4) << 16 | 1u << (id_ & 15) : logical_destination_.load();
}

bool LocalApicChip::matches(const InterruptRequest& request) const {
    if (!globally_enabled()) return false;
    if (request.broadcast) return true;
    if (!request.logical) return request.destination == id_;
    if (x2apic())  // cluster in the upper half, members in the lower (SDM vol. 3, ch. 10.12.10.2)
        return request.destination >> 16 == id_ >> 4 && (request.destination & 1u << (id_ & 15));
    if (request.destination > 0xff) return false;
    const u32 mine = logical_destination_ >> 24;
    const bool flat = destination_format_ >> 28 == 0xf;
    if (flat) return request.destination & mine;
    return class_of(request.destination) == class_of(mine) && (request.destination & mine & 0xf);
}

bool LocalApicChip::deliverable() const {
    const int vector = requests_.highest();
    return vector >= 0 && class_of(static_cast<u32>(vector)) > class_of(processor_priority_.load());
}

std::optional<u8> LocalApicChip::take() {
    const int highest = requests_.highest();
    if (highest < 0 || class_of(static_cast<u32>(highest)) <= class_of(processor_priority_)) return {};
    const u8 vector = static_cast<u8>(highest);
    requests_.clear(vector);
    in_service_.set(vector);
    update_priority();
    return vector;
}

// SDM vol. 3, ch. 10.8.3.1.
void LocalApicChip::update_priority() {
    const int in_service = in_service_.highest();
    const u32 serving = in_service < 0 ? 0 : class_of(static_cast<u32>(in_service));
    processor_priority_ = static_cast<u8>(class_of(task_priority_) >= serving ? task_priority_ : serving);
}

void LocalApicChip::set_task_priority(u8 value) {
    task_priority_ = value;
    update_priority();
}

void LocalApicChip::end_of_interrupt(Effects& effects) {
    const int highest = in_service_.highest();
    if (highest < 0) return;
    const u8 vector = static_cast<u8>(highest);
    in_service_.clear(vector);
    update_priority();
    if (!trigger_mode_.contains(vector)) return;
    effects.level_ended = vector;
    for (unsigned lint = 0; lint < 2; ++lint) {
        auto& entry = local_[static_cast<unsigned>(lint_entry(lint))];
        if (!(entry & lvt::remote_irr) || (entry & lvt::vector) != vector) continue;
        entry &= ~lvt::remote_irr;
        sample_level_pin(lint);
    }
}

void LocalApicChip::set_pin(unsigned lint, bool asserted, Effects& effects) {
    const bool rising = asserted && !pins_[lint];
    pins_[lint] = asserted;
    if (!globally_enabled()) {  // the pins are INTR and NMI (SDM vol. 3, ch. 10.4.3)
        effects.nonmaskable = lint == 1 && rising;
        return;
    }
    const u32 entry = local(lint_entry(lint));
    if (entry & lvt::masked) return;
    switch (delivery_mode(entry)) {
        case DeliveryMode::fixed:
            if (entry & lvt::level_triggered)
                sample_level_pin(lint);
            else if (rising)
                accept(static_cast<u8>(entry & lvt::vector), false);
            break;
        case DeliveryMode::nmi: effects.nonmaskable = rising; break;
        case DeliveryMode::init: effects.init = rising; break;
        default: break;  // ExtINT is asked for; SMI does not exist here
    }
}

void LocalApicChip::sample_level_pin(unsigned lint) {
    auto& entry = local_[static_cast<unsigned>(lint_entry(lint))];
    if (!pins_[lint] || !(entry & lvt::level_triggered) || (entry & (lvt::masked | lvt::remote_irr))) return;
    if (delivery_mode(entry) != DeliveryMode::fixed) return;
    entry |= lvt::remote_irr;
    accept(static_cast<u8>(entry & lvt::vector), true);
}

bool LocalApicChip::passes_external_interrupts() const {
    if (!globally_enabled()) return true;
    const u32 entry = local(LocalVector::lint0);
    return !(entry & lvt::masked) && delivery_mode(entry) == DeliveryMode::external;
}

void LocalApicChip::set_local_vector(LocalVector entry, u32 value) {
    auto& present = local_[static_cast<unsigned>(entry)];
    u32 next = value & writable(entry);
    if (!software_enabled()) next |= lvt::masked;
    if (next & lvt::level_triggered) next |= present & lvt::remote_irr;
    present = next;
    if (entry == LocalVector::timer)
        timer_.set_mode(
            static_cast<ApicTimer::Mode>(bits(next, lvt::timer_mode_shift + 1, lvt::timer_mode_shift)));
    if (entry == LocalVector::lint0) sample_level_pin(0);
    if (entry == LocalVector::lint1) sample_level_pin(1);
}

void LocalApicChip::set_spurious(u32 value) {
    spurious_ = value & spurious::writable;
    if (software_enabled()) return;
    for (auto& entry : local_) entry |= lvt::masked;  // SDM vol. 3, ch. 10.4.7.2
}

std::optional<bus::Nanoseconds> LocalApicChip::timer_interrupt() const {
    if (local(LocalVector::timer) & lvt::masked) return {};
    return timer_.expiry();
}

void LocalApicChip::advance(bus::Nanoseconds now) {
    if (!timer_.advance(now)) return;
    const u32 entry = local(LocalVector::timer);
    if (!(entry & lvt::masked)) accept(static_cast<u8>(entry & lvt::vector), false);
}

std::optional<u64> LocalApicChip::read(u32 offset, bus::Nanoseconds now) {
    const auto word = [&](const VectorSet& set, u32 first) -> u64 { return set.word((offset - first) / 16); };
    if (offset % 16) return {};
    if (is_local_vector(offset)) return local_[(offset - reg::lvt_timer) / 16].load();
    if (offset >= reg::in_service && offset < reg::trigger_mode) return word(in_service_, reg::in_service);
    if (offset >= reg::trigger_mode && offset < reg::interrupt_request)
        return word(trigger_mode_, reg::trigger_mode);
    if (offset >= reg::interrupt_request && offset < reg::error_status)
        return word(requests_, reg::interrupt_request);
    switch (offset) {
        case reg::id: return x2apic() ? id_ : id_ << 24;
        case reg::version: return version_value;
        case reg::task_priority: return task_priority_;
        case reg::processor_priority: return processor_priority();
        case reg::logical_destination: return logical_id();
        case reg::spurious_vector: return spurious_.load();
        case reg::error_status: return error_latched_;
        case reg::command_low: return x2apic() ? command_ : command_ & 0xffff'ffff;
        case reg::initial_count: return timer_.state().initial_count;
        case reg::current_count: return timer_.current_count(now);
        case reg::divide_configuration: return timer_.state().divide_configuration;
        default: break;
    }
    if (x2apic()) return {};
    switch (offset) {
        case reg::end_of_interrupt:
        case reg::arbitration_priority:
        case reg::remote_read: return 0;
        case reg::destination_format: return destination_format_.load();
        case reg::command_high: return command_ >> 32;
        default: return {};
    }
}

/// None where the register cannot be written in the present mode.
std::optional<u64> LocalApicChip::writable_bits(u32 offset) const {
    if (is_local_vector(offset))
        return writable(static_cast<LocalVector>((offset - reg::lvt_timer) / 16)) | lvt::read_only;
    switch (offset) {
        case reg::task_priority: return 0xff;
        case reg::end_of_interrupt:
        case reg::error_status: return 0;
        case reg::spurious_vector: return spurious::writable;
        case reg::initial_count: return 0xffff'ffff;
        case reg::divide_configuration: return 0xb;
        case reg::command_low:
            return command::writable | command::delivery_status | (x2apic() ? ~u64{0} << 32 : 0);
        case reg::self_ipi: return x2apic() ? std::optional<u64>(0xff) : std::nullopt;
        default: break;
    }
    if (x2apic()) return {};
    switch (offset) {
        case reg::logical_destination:
        case reg::command_high: return 0xff00'0000;
        case reg::destination_format: return 0xf000'0000;
        case reg::id:  // hard-wired, as are the other registers that only read; writes do nothing
        case reg::version:
        case reg::arbitration_priority:
        case reg::processor_priority:
        case reg::remote_read:
        case reg::current_count: return 0;
        default: break;
    }
    if (offset % 16 == 0 && offset >= reg::in_service && offset < reg::error_status) return 0;
    return {};
}

bool LocalApicChip::write(u32 offset, u64 value, bus::Nanoseconds now, Effects& effects) {
    const auto allowed = writable_bits(offset);
    if (!allowed) return false;
    if (x2apic() && (value & ~*allowed)) return false;  // reserved bits are checked only there
    const u32 low = static_cast<u32>(value & *allowed);
    if (is_local_vector(offset)) {
        set_local_vector(static_cast<LocalVector>((offset - reg::lvt_timer) / 16), low);
        return true;
    }
    switch (offset) {
        case reg::task_priority: set_task_priority(static_cast<u8>(low)); break;
        case reg::end_of_interrupt: end_of_interrupt(effects); break;
        case reg::logical_destination: logical_destination_ = low; break;
        case reg::destination_format: destination_format_ = low | 0x0fff'ffff; break;
        case reg::spurious_vector: set_spurious(low); break;
        case reg::error_status: error_latched_ = error_pending_.exchange(0); break;
        case reg::command_high: command_ = (command_ & 0xffff'ffff) | u64{low} << 32; break;
        case reg::command_low: {
            const u64 high = x2apic() ? value & ~u64{0xffff'ffff} : command_ & ~u64{0xffff'ffff};
            command_ = high | (low & command::writable);
            send(command_, effects);
            break;
        }
        case reg::self_ipi: send(low | u64{1} << command::shorthand_shift, effects); break;
        case reg::initial_count: timer_.set_initial_count(low, now); break;
        case reg::divide_configuration: timer_.set_divide_configuration(low, now); break;
        default: break;
    }
    return true;
}

void LocalApicChip::send(u64 value, Effects& effects) {
    const u32 low = static_cast<u32>(value);
    const u32 high = static_cast<u32>(value >> 32);
    InterruptRequest request{.mode = delivery_mode(low),
                             .vector = static_cast<u8>(low),
                             .level_triggered = false,  // IPIs are edges, whatever bit 15 says
                             .logical = (low & command::logical) != 0,
                             .broadcast = false,
                             .destination = x2apic() ? high : high >> 24,
                             .shorthand = static_cast<Shorthand>(bits(low, 19, 18))};
    request.broadcast = request.destination == (x2apic() ? 0xffff'ffff : 0xff);
    const bool by_vector =
        request.mode == DeliveryMode::fixed || request.mode == DeliveryMode::lowest_priority;
    if (by_vector && request.vector < 16) return raise_error(error::send_illegal_vector);
    // INIT level de-assert only synchronized arbitration ids of processors before the Pentium 4.
    if (request.mode == DeliveryMode::init && (low & command::level_triggered) &&
        !(low & command::assert_level))
        return;
    effects.command = request;
}

}  // namespace softmetal::devices
