// The local APIC's state as named fields, and back with checks.
#include "devices/local_apic/local_apic.hpp"
#include "devices/state_reader.hpp"

namespace softmetal::devices {

namespace {

constexpr const char* schema = "local_apic";

[[nodiscard]] ApicTimer::State read_timer(StateReader& in, const nlohmann::json& fields) {
    StateReader timer(fields, "local_apic timer");
    ApicTimer::State s;
    s.mode = static_cast<ApicTimer::Mode>(timer.number<u8>("mode", 3));
    s.initial_count = timer.number<u32>("initial_count");
    s.divide_configuration = timer.number<u32>("divide_configuration", 0xb);
    s.counting = timer.flag("counting");
    s.start = timer.number<u64>("start");
    s.tsc_deadline = timer.number<u64>("tsc_deadline");
    s.tsc_deadline_time = timer.number<u64>("tsc_deadline_time");
    in.require(timer.good(), "its timer is incomplete");
    in.require(!s.counting || s.initial_count != 0, "the timer counts down from zero");
    return s;
}

}  // namespace

bus::SavedState LocalApic::save() const {
    const std::lock_guard lock(mutex_);
    const LocalApicChip::State s = chip_.state();
    nlohmann::json timer{{"mode", static_cast<u8>(s.timer.mode)},
                         {"initial_count", s.timer.initial_count},
                         {"divide_configuration", s.timer.divide_configuration},
                         {"counting", s.timer.counting},
                         {"start", s.timer.start},
                         {"tsc_deadline", s.timer.tsc_deadline},
                         {"tsc_deadline_time", s.timer.tsc_deadline_time}};
    nlohmann::json fields{{"id", resources_.id},
                          {"base", s.base},
                          {"task_priority", s.task_priority},
                          {"logical_destination", s.logical_destination},
                          {"destination_format", s.destination_format},
                          {"spurious_vector", s.spurious_vector},
                          {"error_latched", s.error_latched},
                          {"error_pending", s.error_pending},
                          {"command", s.command},
                          {"local_vectors", s.local},
                          {"requests", s.requests},
                          {"in_service", s.in_service},
                          {"trigger_mode", s.trigger_mode},
                          {"lint0", s.pins[0]},
                          {"lint1", s.pins[1]},
                          {"external_latched", external_latched_.load()},
                          {"timer", std::move(timer)}};
    return {.schema = schema, .version = 1, .fields = std::move(fields)};
}

Result<std::unique_ptr<LocalApic>> LocalApic::restore(Resources resources, const bus::SavedState& state) {
    StateReader in(state, schema, 1);
    LocalApicChip::State s;
    in.require(in.number<u32>("id") == resources.id, "it belongs to another processor");
    s.base = in.number<u64>("base");
    s.task_priority = in.number<u32>("task_priority", 0xff);
    s.logical_destination = in.number<u32>("logical_destination");
    s.destination_format = in.number<u32>("destination_format");
    s.spurious_vector = in.number<u32>("spurious_vector", apic::spurious::writable);
    s.error_latched = in.number<u32>("error_latched", 0xff);
    s.error_pending = in.number<u32>("error_pending", 0xff);
    s.command = in.number<u64>("command");
    in.numbers<u32>("local_vectors", s.local);
    in.numbers<u32>("requests", s.requests);
    in.numbers<u32>("in_service", s.in_service);
    in.numbers<u32>("trigger_mode", s.trigger_mode);
    s.pins = {in.flag("lint0"), in.flag("lint1")};
    const bool external_latched = in.flag("external_latched");
    s.timer = read_timer(in, in.part("timer"));
    // A base register that no sequence of legal writes reaches is refused by replaying one.
    LocalApicChip probe(resources.id, resources.bootstrap, resources.physical_address_bits);
    in.require(probe.set_base(s.base) && probe.base() == s.base, "its base register");
    in.require(((s.requests[0] | s.in_service[0]) & 0xffff) == 0, "an interrupt has a vector below 16");
    in.require(s.timer.mode == static_cast<ApicTimer::Mode>(s.local[0] >> apic::lvt::timer_mode_shift & 3),
               "the timer's mode differs from its local vector's");
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    return std::unique_ptr<LocalApic>(new LocalApic(std::move(resources), s, external_latched));
}

}  // namespace softmetal::devices
