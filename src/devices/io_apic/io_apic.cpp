#include "devices/io_apic/io_apic.hpp"

#include "devices/state_reader.hpp"

namespace softmetal::devices {

IoApic::IoApic(bus::InterruptMessageSink& sink, const IoApicChip::State& state) : sink_(sink), chip_(state) {
    for (unsigned i = 0; i < io_apic::pins; ++i) pins_.push_back(std::make_unique<Pin>(*this, i));
}

void IoApic::reset() {
    const std::lock_guard lock(mutex_);
    chip_.reset();
}

void IoApic::end_of_interrupt(u8 vector) {
    const std::lock_guard lock(mutex_);
    chip_.end_of_interrupt(vector, sink_);
}

u64 IoApic::read_io(u64 offset, unsigned) {
    const std::lock_guard lock(mutex_);
    return chip_.read(offset);
}

void IoApic::write_io(u64 offset, unsigned, u64 value) {
    const std::lock_guard lock(mutex_);
    chip_.write(offset, static_cast<u32>(value), sink_);
}

bus::SavedState IoApic::save() const {
    const std::lock_guard lock(mutex_);
    const IoApicChip::State& s = chip_.state();
    return {.schema = "io_apic",
            .version = 1,
            .fields = {{"id", s.id}, {"selected", s.selected}, {"levels", s.levels}, {"entries", s.entries}}};
}

Result<std::unique_ptr<IoApic>> IoApic::restore(bus::InterruptMessageSink& sink,
                                                const bus::SavedState& state) {
    StateReader in(state, "io_apic", 1);
    IoApicChip::State s;
    s.id = in.number<u32>("id", io_apic::id_writable);
    s.selected = in.number<u8>("selected");
    s.levels = in.number<u32>("levels", (1u << io_apic::pins) - 1);
    in.numbers<u64>("entries", s.entries);
    for (const u64 e : s.entries) {
        using namespace io_apic::entry;
        in.require(!(e & ~(writable | remote_irr)), "a redirection entry has reserved bits");
        in.require(!(e & remote_irr) || (e & level_triggered), "an edge-triggered entry has remote IRR");
    }
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    return std::unique_ptr<IoApic>(new IoApic(sink, s));
}

}  // namespace softmetal::devices
