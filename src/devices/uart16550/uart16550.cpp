#include "devices/uart16550/uart16550.hpp"

#include <algorithm>

namespace softmetal::devices {

Uart16550::Uart16550(Resources resources, std::vector<u8> held_input, Uart16550Chip chip)
    : resources_(std::move(resources)),
      held_input_(std::move(held_input)),
      chip_(chip),
      timer_(resources_.timers, [this] { timer_fired(); }),
      interrupt_(resources_.interrupt) {
    {
        const std::lock_guard lock(mutex_);
        update_outputs();
    }
    interrupt_.flush();
    resources_.stream.on_readable([this] { pull_input(); });
    pull_input();
}

Uart16550::~Uart16550() {
    resources_.stream.on_readable([] {});
}

Result<std::unique_ptr<Uart16550>> Uart16550::restore(Resources resources, const bus::SavedState& saved) {
    auto state = load_uart16550(saved);
    if (!state) return std::unexpected(state.error());
    return std::unique_ptr<Uart16550>(
        new Uart16550(std::move(resources), std::move(state->held_input), Uart16550Chip(state->chip)));
}

void Uart16550::reset() {
    {
        const std::lock_guard lock(mutex_);
        chip_.reset();
        update_outputs();
    }
    interrupt_.flush();
}

bus::SavedState Uart16550::save() const {
    const std::lock_guard pulling(pulling_);
    const std::lock_guard lock(mutex_);
    return save_uart16550({chip_.state(), held_input_});
}

u8 Uart16550::read_port(u64 offset) {
    if (offset >= uart::register_count) return undecoded;
    u8 value = 0;
    {
        const std::lock_guard lock(mutex_);
        value = chip_.read(static_cast<unsigned>(offset), resources_.clock.now());
        update_outputs();
    }
    interrupt_.flush();
    if (offset == uart::receive_buffer) pull_input();
    return value;
}

void Uart16550::write_port(u64 offset, u8 value) {
    if (offset >= uart::register_count) return;
    std::optional<u8> sent;
    {
        const std::lock_guard lock(mutex_);
        sent = chip_.write(static_cast<unsigned>(offset), value, resources_.clock.now());
        update_outputs();
    }
    interrupt_.flush();
    if (sent) resources_.stream.write({&*sent, 1});
    // These are the writes that can make room or raise RTS.
    if (offset == uart::fifo_control || offset == uart::modem_control) pull_input();
}

void Uart16550::pull_input() {
    const std::lock_guard pulling(pulling_);
    for (;;) {
        std::size_t room = 0;
        {
            const std::lock_guard lock(mutex_);
            const std::size_t count = std::min(held_input_.size(), chip_.receive_room());
            const bus::Nanoseconds now = resources_.clock.now();
            for (std::size_t i = 0; i < count; ++i) chip_.receive(held_input_[i], now);
            held_input_.erase(held_input_.begin(), held_input_.begin() + static_cast<std::ptrdiff_t>(count));
            room = chip_.receive_room();
            update_outputs();
        }
        interrupt_.flush();
        if (room == 0) return;
        held_input_.resize(room);
        held_input_.resize(resources_.stream.read(held_input_));
        if (held_input_.empty()) return;
    }
}

void Uart16550::timer_fired() {
    {
        const std::lock_guard lock(mutex_);
        timer_.fired();
        chip_.advance(resources_.clock.now());
        update_outputs();
    }
    interrupt_.flush();
}

void Uart16550::update_outputs() {
    if (chip_.take_dip()) interrupt_.set(false);
    interrupt_.set(chip_.interrupt());
    timer_.set(chip_.next_event());
}

}  // namespace softmetal::devices
