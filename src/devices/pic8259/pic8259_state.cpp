#include "devices/pic8259/pic8259_state.hpp"

#include "devices/state_reader.hpp"

namespace softmetal::devices {
namespace {

nlohmann::json save_chip(const Pic8259Chip::State& s) {
    return {{"mask", s.mask},
            {"requests", s.requests},
            {"in_service", s.in_service},
            {"lines", s.lines},
            {"level_triggered", s.level_triggered},
            {"vector_base", s.vector_base},
            {"lowest_priority", s.lowest_priority},
            {"cascade", s.cascade},
            {"expects", static_cast<u8>(s.expects)},
            {"needs_icw4", s.needs_icw4},
            {"single", s.single},
            {"automatic_eoi", s.automatic_eoi},
            {"rotates_on_automatic_eoi", s.rotates_on_automatic_eoi},
            {"special_fully_nested", s.special_fully_nested},
            {"special_mask", s.special_mask},
            {"reads_in_service", s.reads_in_service},
            {"poll", s.poll}};
}

Result<Pic8259Chip::State> load_chip(const nlohmann::json& fields, u8 level_capable) {
    StateReader read(fields, "pic8259");
    Pic8259Chip::State s;
    s.mask = read.number<u8>("mask");
    s.requests = read.number<u8>("requests");
    s.in_service = read.number<u8>("in_service");
    s.lines = read.number<u8>("lines");
    read.require((s.requests & ~s.lines) == 0, "a request without its input high");
    s.level_triggered = read.number<u8>("level_triggered");
    read.require((s.level_triggered & ~level_capable) == 0, "level triggering where there is none");
    s.vector_base = read.number<u8>("vector_base");
    read.require((s.vector_base & ~pic::icw2::vector_base) == 0, "an odd vector base");
    s.lowest_priority = read.number<u8>("lowest_priority", 7);
    s.cascade = read.number<u8>("cascade");
    s.expects = static_cast<Pic8259Chip::Expects>(
        read.number<u8>("expects", static_cast<u8>(Pic8259Chip::Expects::icw4)));
    s.needs_icw4 = read.flag("needs_icw4");
    s.single = read.flag("single");
    s.automatic_eoi = read.flag("automatic_eoi");
    s.rotates_on_automatic_eoi = read.flag("rotates_on_automatic_eoi");
    s.special_fully_nested = read.flag("special_fully_nested");
    s.special_mask = read.flag("special_mask");
    s.reads_in_service = read.flag("reads_in_service");
    s.poll = read.flag("poll");
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return s;
}

}  // namespace

bus::SavedState save_pic8259(const Pic8259State& state) {
    return {"pic8259", 1, {{"master", save_chip(state.master)}, {"slave", save_chip(state.slave)}}};
}

Result<Pic8259State> load_pic8259(const bus::SavedState& saved) {
    StateReader read(saved, "pic8259", 1);
    const nlohmann::json& master_fields = read.part("master");
    const nlohmann::json& slave_fields = read.part("slave");
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    const auto master = load_chip(master_fields, pic::master_level_capable);
    if (!master) return std::unexpected(master.error());
    const auto slave = load_chip(slave_fields, pic::slave_level_capable);
    if (!slave) return std::unexpected(slave.error());
    return Pic8259State{*master, *slave};
}

}  // namespace softmetal::devices
