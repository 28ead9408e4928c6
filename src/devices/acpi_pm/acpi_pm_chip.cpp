#include "devices/acpi_pm/acpi_pm_chip.hpp"

namespace softmetal::devices {

using namespace acpi;

namespace {

constexpr u8 byte_of(u64 value, unsigned index) { return static_cast<u8>(value >> (8 * index)); }

/// How often the timer's top bit has changed: each change is a carry.
constexpr u64 carries(bus::Nanoseconds time) { return AcpiPmChip::rate.ticks(time) >> timer_top_bit; }

/// Replaces byte `index` of a register by `value`.
void set_byte(u16& target, unsigned index, u8 value) {
    target = static_cast<u16>((target & ~(0xffu << 8 * index)) | unsigned{value} << 8 * index);
}
void clear_ones(u16& target, unsigned index, u8 ones) {
    target = static_cast<u16>(target & ~(unsigned{ones} << 8 * index));
}

}  // namespace

AcpiPmChip::AcpiPmChip(Start start, bus::Nanoseconds now) {
    state_.seen = now;
    if (start == Start::acpi_mode) state_.control = control::sci_enable;
}

void AcpiPmChip::advance(bus::Nanoseconds now) {
    if (now <= state_.seen) return;
    if (carries(now) != carries(state_.seen)) state_.status |= event::timer_carry;
    state_.seen = now;
}

u8 AcpiPmChip::read(unsigned offset, bus::Nanoseconds now) {
    advance(now);
    switch (offset & ~1u) {
        case pm1_status: return byte_of(state_.status, offset & 1);
        case pm1_enable: return byte_of(state_.enable, offset & 1);
        case pm1_control: return byte_of(state_.control, offset & 1);
        case pm_timer:
        case pm_timer + 2: return byte_of(rate.ticks(now), offset & 3);
        case gpe0_status: return byte_of(state_.general_status, offset & 1);
        case gpe0_enable: return byte_of(state_.general_enable, offset & 1);
        default: return 0;
    }
}

AcpiPmChip::Request AcpiPmChip::write(unsigned offset, unsigned width, u64 value, bus::Nanoseconds now) {
    advance(now);
    bool sleeps = false;
    for (unsigned i = 0; i < width && offset + i < block_size; ++i) {
        const u8 byte = byte_of(value, i);
        const unsigned index = (offset + i) & 1;
        switch ((offset + i) & ~1u) {
            case pm1_status: clear_ones(state_.status, index, byte); break;
            case pm1_enable:
                set_byte(state_.enable, index, byte);
                state_.enable &= event::enables;
                break;
            case pm1_control: {
                const u16 sci = state_.control & control::sci_enable;
                set_byte(state_.control, index, byte);
                if (state_.control & control::sleep_enable) sleeps = true;
                state_.control = static_cast<u16>((state_.control & control::kept) | sci);
                break;
            }
            case gpe0_status: clear_ones(state_.general_status, index, byte); break;
            case gpe0_enable: set_byte(state_.general_enable, index, byte); break;
            default: break;
        }
    }
    const bool soft_off = state_.control >> control::sleep_type_shift == sleep_type_s5;
    return sleeps && soft_off ? Request::power_off : Request::none;
}

void AcpiPmChip::write_smi_command(u8 value) {
    state_.smi_command = value;
    if (value == smi_acpi_enable) state_.control |= control::sci_enable;
    if (value == smi_acpi_disable) state_.control &= static_cast<u16>(~control::sci_enable);
}

AcpiPmChip::Request AcpiPmChip::write_reset_control(u8 value) {
    const bool rises = value & ~state_.reset_control & reset_control::reset_processor;
    state_.reset_control = value & reset_control::kept;
    return rises ? Request::reset : Request::none;
}

void AcpiPmChip::raise_general_event(unsigned number) {
    state_.general_status |= static_cast<u16>(1u << number % general_event_count);
}

bool AcpiPmChip::interrupt() const {
    return (state_.control & control::sci_enable) &&
           ((state_.status & state_.enable) || (state_.general_status & state_.general_enable));
}

std::optional<bus::Nanoseconds> AcpiPmChip::next_event() const {
    if (!(state_.enable & ~state_.status & event::timer_carry)) return {};
    return rate.time_of((carries(state_.seen) + 1) << timer_top_bit);
}

}  // namespace softmetal::devices
