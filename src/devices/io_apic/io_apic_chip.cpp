#include "devices/io_apic/io_apic_chip.hpp"

namespace softmetal::devices {

using namespace io_apic;

namespace {
constexpr bool is_redirection(u8 index) {
    return index >= reg::redirection && index < reg::redirection + 2 * pins;
}
}  // namespace

void IoApicChip::reset() {
    state_.id = 0;
    state_.selected = 0;
    state_.entries.fill(entry::masked);
}

u32 IoApicChip::read(u64 offset) const {
    switch (offset) {
        case mmio::select: return state_.selected;
        case mmio::window: return read_selected();
        default: return 0;
    }
}

u32 IoApicChip::read_selected() const {
    const u8 index = state_.selected;
    if (is_redirection(index)) {
        const u64 e = state_.entries[(index - reg::redirection) / 2];
        return static_cast<u32>(index % 2 ? e >> 32 : e);
    }
    switch (index) {
        case reg::id:
        case reg::arbitration: return state_.id;
        case reg::version: return version_value;
        default: return 0;
    }
}

void IoApicChip::write(u64 offset, u32 value, bus::InterruptMessageSink& out) {
    switch (offset) {
        case mmio::select: state_.selected = static_cast<u8>(value); break;
        case mmio::window: write_selected(value, out); break;
        case mmio::end_of_interrupt: end_of_interrupt(static_cast<u8>(value), out); break;
        default: break;
    }
}

void IoApicChip::write_selected(u32 value, bus::InterruptMessageSink& out) {
    const u8 index = state_.selected;
    if (index == reg::id) state_.id = value & id_writable;
    if (!is_redirection(index)) return;
    const unsigned pin = (index - reg::redirection) / 2;
    u64& e = state_.entries[pin];
    const u64 half = index % 2 ? ~u64{0} << 32 : 0xffff'ffff;
    const u64 written = index % 2 ? u64{value} << 32 : value;
    e = (e & ~(half & entry::writable)) | (written & half & entry::writable);
    // Edge-triggered entries have no remote IRR: going there and back is how old systems clear it.
    if (!(e & entry::level_triggered)) e &= ~entry::remote_irr;
    service_level(pin, out);
}

void IoApicChip::set_pin(unsigned pin, bool asserted, bus::InterruptMessageSink& out) {
    const u32 mask = 1u << pin;
    const bool rising = asserted && !(state_.levels & mask);
    state_.levels = asserted ? state_.levels | mask : state_.levels & ~mask;
    const u64 e = state_.entries[pin];
    if (e & entry::level_triggered)
        service_level(pin, out);
    else if (rising && !(e & entry::masked))  // an edge at a masked pin is lost
        send(pin, out);
}

void IoApicChip::service_level(unsigned pin, bus::InterruptMessageSink& out) {
    u64& e = state_.entries[pin];
    if (!(e & entry::level_triggered) || (e & (entry::masked | entry::remote_irr))) return;
    if (!(state_.levels & 1u << pin)) return;
    e |= entry::remote_irr;
    send(pin, out);
}

void IoApicChip::end_of_interrupt(u8 vector, bus::InterruptMessageSink& out) {
    for (unsigned pin = 0; pin < pins; ++pin) {
        u64& e = state_.entries[pin];
        if (!(e & entry::remote_irr) || (e & entry::vector) != vector) continue;
        e &= ~entry::remote_irr;
        service_level(pin, out);
    }
}

// An entry's lower half has the layout of a message's data (SDM vol. 3, figure 10-25) but for the level bit.
void IoApicChip::send(unsigned pin, bus::InterruptMessageSink& out) const {
    constexpr u32 message_window = 0xfee0'0000, message_logical = 1u << 2, data_assert = 1u << 14;
    const u64 e = state_.entries[pin];
    const u32 destination = static_cast<u32>(e >> entry::destination_shift);
    out.send({.address = message_window | destination << 12 | (e & entry::logical ? message_logical : 0),
              .data = static_cast<u32>(e & (entry::vector | entry::delivery_mode | entry::level_triggered)) |
                      data_assert});
}

}  // namespace softmetal::devices
