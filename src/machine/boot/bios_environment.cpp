#include "machine/boot/bios_environment.hpp"

#include "base/address.hpp"
#include "machine/board_layout.hpp"

#include <array>
#include <span>

namespace softmetal::machine {
namespace {

constexpr u8 first_vector = 0x08, second_vector = 0x70;  // of the 8259s
constexpr unsigned irqs_of_each = 8;
constexpr u16 handlers_segment = 0xf000;
constexpr u16 handlers_offset = 0xff00;

constexpr std::array<u8, 1> return_only = {0xcf};  // iret
/// push ax; mov al, 0x20; out 0x20, al; pop ax; iret: a non-specific end of interrupt.
constexpr std::array<u8, 7> end_first = {0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf};
/// The same, for both 8259s.
constexpr std::array<u8, 9> end_both = {0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, 0xcf};

struct FarPointer {
    u16 offset = handlers_offset, segment = handlers_segment;
};
static_assert(sizeof(FarPointer) == 4);

void initialize_8259s(bus::AddressSpace& ports) {
    using namespace layout;
    constexpr u8 icw1 = 0x11, icw4_8086 = 0x01, all_but_timer_and_cascade = 0xfa, all = 0xff;
    const auto initialize = [&](u64 port, u8 vector, u8 cascade, u8 mask) {
        ports.write(port, 1, icw1);
        for (u8 word : {vector, cascade, icw4_8086, mask}) ports.write(port + 1, 1, word);
    };
    initialize(pic_primary_port, first_vector, 1 << cascade_irq, all_but_timer_and_cascade);
    initialize(pic_secondary_port, second_vector, cascade_irq, all);
}

void start_tick(bus::AddressSpace& ports) {
    constexpr u8 counter_0_square_wave = 0x36;
    ports.write(layout::pit_port + 3, 1, counter_0_square_wave);
    ports.write(layout::pit_port, 1, 0);  // 65536, low byte and high
    ports.write(layout::pit_port, 1, 0);
}

}  // namespace

Result<> leave_bios_environment(bus::DmaView& memory, bus::AddressSpace& ports) {
    std::array<u8, 32> handlers{};
    u16 used = 0;
    const auto add = [&](std::span<const u8> code) {
        const FarPointer handler{static_cast<u16>(handlers_offset + used), handlers_segment};
        for (u8 byte : code) handlers[used++] = byte;
        return handler;
    };
    std::array<FarPointer, 256> vectors;
    vectors.fill(add(return_only));
    const FarPointer first = add(end_first), both = add(end_both);
    for (unsigned i = 0; i < irqs_of_each; i++) {
        vectors[first_vector + i] = first;
        vectors[second_vector + i] = both;
    }
    const GuestPhysical code{(u64{handlers_segment} << 4) + handlers_offset};
    if (!memory.write({0}, std::as_bytes(std::span(vectors))) ||
        !memory.write(code, std::as_bytes(std::span(handlers))))
        return fail("guest memory is too small for the interrupt vectors");
    initialize_8259s(ports);
    start_tick(ports);
    return {};
}

}  // namespace softmetal::machine
