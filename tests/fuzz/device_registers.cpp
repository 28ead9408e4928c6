// A guest may do anything to a device's registers: whatever it did, the device's state restores to the same.
#include "devices.hpp"
#include "input.hpp"

using namespace softmetal;

namespace {

/// Restoring may do what has come due since the last access; a device that is up to date stays the same.
void check_saved_state(fuzz::Subject& subject) {
    if (!subject.restore(subject.save())) fuzz::fail("its own state is refused");
    const bus::SavedState saved = subject.save();
    if (!subject.restore(saved)) fuzz::fail("its own state is refused");
    if (subject.save().fields != saved.fields) fuzz::fail("its state restores to another");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const auto subject = fuzz::subjects[input.below(std::size(fuzz::subjects))]();
    constexpr unsigned most_checks = 8;  // some states are long
    unsigned checks = 0;
    for (unsigned step = 0; step < 2000 && !input.empty(); step++) {
        const u8 what = input.take<u8>();
        const auto blocks = subject->registers();
        bus::IoHandler& block = *blocks[what / 8 % blocks.size()];
        const unsigned width = 1u << (what >> 6);
        const bool has_offset = (what & 7) <= 3;
        const u64 offset = has_offset ? input.below(subject->register_bytes() + 1) : 0;
        switch (what & 7) {
            case 0:
            case 1: block.write_io(offset, width, input.take<u8>()); break;
            case 2: block.write_io(offset, width, input.take<u64>()); break;
            case 3: (void)block.read_io(offset, width); break;
            case 4: subject->timers.advance(input.take<u16>()); break;
            case 5: {  // the host sleeps
                const auto seconds = input.take<u8>();
                subject->clock.set(subject->clock.now() + seconds * bus::nanoseconds_per_second / 2);
                break;
            }
            case 6: subject->disturb(input.take<u8>()); break;
            default:
                if (checks++ < most_checks) check_saved_state(*subject);
                break;
        }
    }
    check_saved_state(*subject);
    return 0;
}
