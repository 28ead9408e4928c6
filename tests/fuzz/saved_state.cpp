// A saved state comes from a file: whatever it says, it is refused with a sentence, or it is a state that the
// device can have and go on from.
#include "devices.hpp"
#include "input.hpp"

#include <nlohmann/json.hpp>

using namespace softmetal;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const auto subject = fuzz::subjects[input.below(std::size(fuzz::subjects))]();
    // Replaces fields of a state that is good, by their numbers: a fuzzer seldom guesses the names of all.
    bus::SavedState state = subject->save();
    const auto changes = nlohmann::json::parse(fuzz::as_text(input.rest()), nullptr, false);
    if (changes.is_discarded()) return 0;
    if (changes.is_array() && state.fields.is_object()) {
        std::vector<std::string> names;
        for (const auto& field : state.fields.items()) names.push_back(field.key());
        for (std::size_t i = 0; i + 1 < changes.size(); i += 2)
            if (changes[i].is_number_unsigned() && !names.empty())
                state.fields[names[changes[i].get<u64>() % names.size()]] = changes[i + 1];
    } else {
        state.fields = changes;
    }
    if (!subject->restore(state)) return 0;
    const bus::SavedState saved = subject->save();
    if (!subject->restore(saved)) fuzz::fail("a state that was accepted is refused when saved again");
    for (unsigned step = 0; step < 64; step++) {
        for (bus::IoHandler* block : subject->registers()) {
            (void)block->read_io(step % subject->register_bytes(), 1);
            block->write_io(step % subject->register_bytes(), 1, step * 37);
        }
        subject->timers.advance(1'000'000);
        subject->disturb(static_cast<u8>(step * 11));
    }
    if (!subject->restore(subject->save())) fuzz::fail("its own state is refused");
    return 0;
}
