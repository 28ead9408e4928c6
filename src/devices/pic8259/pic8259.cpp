#include "devices/pic8259/pic8259.hpp"

#include "devices/pic8259/pic8259_state.hpp"

#include <utility>

namespace softmetal::devices {

using namespace pic;

namespace {

constexpr u8 master_slaves = 1u << cascade_input;
constexpr u8 no_slaves = 0;

template <class Input, class Pic, std::size_t... irq>
std::array<Input, sizeof...(irq)> make_inputs(Pic& pic, std::index_sequence<irq...>) {
    return {Input(pic, irq)...};
}

}  // namespace

Pic8259::Pic8259(Resources resources)
    : Pic8259(resources, Pic8259Chip(master_slaves, master_level_capable),
              Pic8259Chip(no_slaves, slave_level_capable)) {}

Pic8259::Pic8259(Resources resources, Pic8259Chip master, Pic8259Chip slave)
    : master_(master),
      slave_(slave),
      interrupt_(resources.interrupt),
      inputs_(make_inputs<Input>(*this, std::make_index_sequence<irq_count>{})),
      master_ports_(*this, &Pic8259::read_master, &Pic8259::write_master),
      slave_ports_(*this, &Pic8259::read_slave, &Pic8259::write_slave),
      edge_level_ports_(*this, &Pic8259::read_edge_level, &Pic8259::write_edge_level) {
    update_outputs();
    interrupt_.flush();
}

Result<std::unique_ptr<Pic8259>> Pic8259::restore(Resources resources, const bus::SavedState& saved) {
    const auto state = load_pic8259(saved);
    if (!state) return std::unexpected(state.error());
    return std::unique_ptr<Pic8259>(
        new Pic8259(resources, Pic8259Chip(master_slaves, master_level_capable, state->master),
                    Pic8259Chip(no_slaves, slave_level_capable, state->slave)));
}

u8 Pic8259::acknowledge() {
    u8 vector = 0;
    {
        const std::lock_guard lock(mutex_);
        const Pic8259Chip::Acknowledged master = master_.acknowledge();
        vector = master.vector;
        if (!master.spurious && master.input == cascade_input) {
            vector = slave_.acknowledge().vector;
            slave_acknowledged();
        }
        update_outputs();
    }
    interrupt_.flush();
    return vector;
}

void Pic8259::reset() {
    {
        const std::lock_guard lock(mutex_);
        master_.reset();
        slave_.reset();
        update_outputs();
    }
    interrupt_.flush();
}

bus::SavedState Pic8259::save() const {
    const std::lock_guard lock(mutex_);
    return save_pic8259({master_.state(), slave_.state()});
}

u8 Pic8259::read_edge_level(u64 offset) {
    const std::lock_guard lock(mutex_);
    if (offset >= 2) return BytePorts::undecoded;
    return (offset == 0 ? master_ : slave_).read_edge_level();
}

void Pic8259::write_edge_level(u64 offset, u8 value) {
    if (offset >= 2) return;
    {
        const std::lock_guard lock(mutex_);
        (offset == 0 ? master_ : slave_).write_edge_level(value);
        update_outputs();
    }
    interrupt_.flush();
}

u8 Pic8259::read_chip(Pic8259Chip& chip, u64 offset) {
    if (offset >= port_count) return BytePorts::undecoded;
    u8 value = 0;
    {
        const std::lock_guard lock(mutex_);
        const bool acknowledges = chip.state().poll && chip.interrupt();
        value = chip.read(static_cast<unsigned>(offset));
        if (acknowledges && &chip == &slave_) slave_acknowledged();
        update_outputs();
    }
    interrupt_.flush();
    return value;
}

void Pic8259::write_chip(Pic8259Chip& chip, u64 offset, u8 value) {
    if (offset >= port_count) return;
    {
        const std::lock_guard lock(mutex_);
        chip.write(static_cast<unsigned>(offset), value);
        update_outputs();
    }
    interrupt_.flush();
}

void Pic8259::set_input(unsigned irq, bool high) {
    if (irq == cascade_input) return;
    {
        const std::lock_guard lock(mutex_);
        if (irq < input_count)
            master_.set_input(irq, high);
        else
            slave_.set_input(irq - input_count, high);
        update_outputs();
    }
    interrupt_.flush();
}

/// A chip drops INT at its acknowledge, so one that has more to say gives the master a new edge.
void Pic8259::slave_acknowledged() { master_.set_input(cascade_input, false); }

void Pic8259::update_outputs() {
    master_.set_input(cascade_input, slave_.interrupt());
    interrupt_.set(master_.interrupt());
}

}  // namespace softmetal::devices
