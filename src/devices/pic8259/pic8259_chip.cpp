#include "devices/pic8259/pic8259_chip.hpp"

namespace softmetal::devices {

using namespace pic;

namespace {

constexpr u8 mask_of(unsigned input) { return static_cast<u8>(1u << input); }
constexpr void assign(u8& set, u8 mask, bool member) {
    set = static_cast<u8>(member ? set | mask : set & ~mask);
}

}  // namespace

void Pic8259Chip::reset() {
    State fresh;
    fresh.lines = state_.lines;
    state_ = fresh;
}

u8 Pic8259Chip::read(unsigned port) {
    if (state_.poll) {
        state_.poll = false;
        if (!interrupt()) return 0;
        return poll_interrupt | acknowledge().input;
    }
    if (port == data_port) return state_.mask;
    return state_.reads_in_service ? state_.in_service : state_.requests;
}

void Pic8259Chip::write(unsigned port, u8 value) {
    if (port == data_port)
        write_data(value);
    else
        write_command(value);
}

void Pic8259Chip::write_edge_level(u8 value) {
    const u8 now_level = value & level_capable_;
    const u8 became_level = now_level & ~state_.level_triggered;
    const u8 became_edge = state_.level_triggered & ~now_level;
    state_.level_triggered = now_level;
    // A level input requests while it is high; an edge input waits for its next edge.
    state_.requests = static_cast<u8>((state_.requests & ~became_edge) | (state_.lines & became_level));
}

/// A request lasts no longer than its input is high, in either mode: an input that falls before the
/// acknowledge ends as the spurious interrupt (datasheet, "Edge and level triggered modes").
void Pic8259Chip::set_input(unsigned input, bool high) {
    const u8 mask = mask_of(input);
    if (high == ((state_.lines & mask) != 0)) return;
    assign(state_.lines, mask, high);
    assign(state_.requests, mask, high);
}

Pic8259Chip::Acknowledged Pic8259Chip::acknowledge() {
    const auto input = best_request();
    if (!input) return {static_cast<u8>(state_.vector_base | 7), 7, true};
    const u8 mask = mask_of(*input);
    if (!(state_.level_triggered & mask)) assign(state_.requests, mask, false);
    if (!state_.automatic_eoi)
        assign(state_.in_service, mask, true);
    else if (state_.rotates_on_automatic_eoi)
        state_.lowest_priority = *input;
    return {static_cast<u8>(state_.vector_base | *input), *input, false};
}

std::optional<u8> Pic8259Chip::best_request() const {
    if (state_.expects != Expects::operation) return {};
    const u8 wanted = state_.requests & ~state_.mask;
    if (!wanted) return {};
    // In special mask mode a masked level in service holds nobody back.
    const u8 blocking =
        state_.special_mask ? static_cast<u8>(state_.in_service & ~state_.mask) : state_.in_service;
    for (unsigned rank = 0; rank < input_count; ++rank) {
        const unsigned input = by_priority(rank);
        const u8 mask = mask_of(input);
        const bool blocked = blocking & mask;
        // In special fully nested mode a slave in service may interrupt again, for its own higher levels.
        const bool may_nest = state_.special_fully_nested && (slave_inputs_ & mask);
        if ((wanted & mask) && (!blocked || may_nest)) return static_cast<u8>(input);
        if (blocked) return {};
    }
    return {};
}

std::optional<u8> Pic8259Chip::best_in_service() const {
    const u8 candidates =
        state_.special_mask ? static_cast<u8>(state_.in_service & ~state_.mask) : state_.in_service;
    for (unsigned rank = 0; rank < input_count; ++rank)
        if (const unsigned input = by_priority(rank); candidates & mask_of(input))
            return static_cast<u8>(input);
    return {};
}

void Pic8259Chip::write_command(u8 value) {
    if (value & icw1::initialize)
        start_initialization(value);
    else if (value & ocw3::select)
        write_ocw3(value);
    else
        write_ocw2(value);
}

void Pic8259Chip::write_data(u8 value) {
    const Expects after_icw3 = state_.needs_icw4 ? Expects::icw4 : Expects::operation;
    switch (state_.expects) {
        case Expects::operation: state_.mask = value; return;
        case Expects::icw2:
            state_.vector_base = value & icw2::vector_base;
            state_.expects = state_.single ? after_icw3 : Expects::icw3;
            return;
        case Expects::icw3:
            state_.cascade = value;
            state_.expects = after_icw3;
            return;
        case Expects::icw4:
            state_.automatic_eoi = value & icw4::automatic_eoi;
            state_.special_fully_nested = value & icw4::special_fully_nested;
            state_.expects = Expects::operation;
            return;
    }
}

/// Datasheet, "Initialization command words 1 and 2": what ICW1 clears.
void Pic8259Chip::start_initialization(u8 icw1_word) {
    State fresh;
    fresh.mask = 0;
    fresh.lines = state_.lines;
    fresh.level_triggered = state_.level_triggered;
    fresh.requests = state_.lines & state_.level_triggered;  // edges seen before are forgotten
    fresh.vector_base = state_.vector_base;
    fresh.cascade = state_.cascade;
    fresh.needs_icw4 = icw1_word & icw1::needs_icw4;
    fresh.single = icw1_word & icw1::single;
    fresh.expects = Expects::icw2;
    state_ = fresh;
}

void Pic8259Chip::write_ocw2(u8 value) {
    const u8 level = value & ocw2::level;
    switch (static_cast<ocw2::Command>(value >> ocw2::shift)) {
        case ocw2::clear_rotation_on_automatic_eoi: state_.rotates_on_automatic_eoi = false; return;
        case ocw2::set_rotation_on_automatic_eoi: state_.rotates_on_automatic_eoi = true; return;
        case ocw2::eoi: return end_of_interrupt(best_in_service(), false);
        case ocw2::rotate_on_eoi: return end_of_interrupt(best_in_service(), true);
        case ocw2::specific_eoi: return end_of_interrupt(level, false);
        case ocw2::rotate_on_specific_eoi: return end_of_interrupt(level, true);
        case ocw2::set_priority: state_.lowest_priority = level; return;
        case ocw2::no_operation: return;
    }
}

void Pic8259Chip::write_ocw3(u8 value) {
    if (value & ocw3::set_special_mask) state_.special_mask = value & ocw3::special_mask;
    if (value & ocw3::poll)
        state_.poll = true;
    else if (value & ocw3::read_register)
        state_.reads_in_service = value & ocw3::read_in_service;
}

void Pic8259Chip::end_of_interrupt(std::optional<u8> input, bool rotate) {
    if (!input) return;
    assign(state_.in_service, mask_of(*input), false);
    if (rotate) state_.lowest_priority = *input;
}

}  // namespace softmetal::devices
