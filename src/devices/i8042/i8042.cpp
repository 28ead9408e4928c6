#include "devices/i8042/i8042.hpp"

#include "devices/i8042/i8042_state.hpp"

namespace softmetal::devices {
namespace {

constexpr std::size_t most_waiting_keys = 8192;

}  // namespace

I8042::I8042(Resources resources, I8042Chip chip)
    : platform_(resources.platform),
      clock_(resources.clock),
      chip_(chip),
      keyboard_interrupt_(resources.keyboard_interrupt),
      mouse_interrupt_(resources.mouse_interrupt),
      a20_(resources.a20),
      data_port_(*this, &I8042::read_data, &I8042::write_data),
      command_port_(*this, &I8042::read_status, &I8042::write_command),
      system_control_a_(*this, &I8042::read_system_control_a, &I8042::write_system_control_a),
      delivery_(resources.timers.create_timer([this] { deliver(); })) {
    update_outputs();
    flush_outputs();
}

Result<std::unique_ptr<I8042>> I8042::restore(Resources resources, const bus::SavedState& saved) {
    const auto state = load_i8042(saved);
    if (!state) return std::unexpected(state.error());
    return std::unique_ptr<I8042>(new I8042(resources, I8042Chip(*state)));
}

void I8042::reset() {
    {
        const std::lock_guard lock(mutex_);
        chip_ = I8042Chip();
        waiting_keys_.clear();
        update_outputs();
    }
    flush_outputs();
}

bus::SavedState I8042::save() const {
    const std::lock_guard lock(mutex_);
    return save_i8042(chip_.state());
}

u8 I8042::read_data(u64 offset) {
    if (offset != 0) return BytePorts::undecoded;
    u8 value = 0;
    {
        const std::lock_guard lock(mutex_);
        value = chip_.read_data();
        update_outputs();
    }
    flush_outputs();
    return value;
}

u8 I8042::read_status(u64 offset) {
    if (offset != 0) return BytePorts::undecoded;
    const std::lock_guard lock(mutex_);
    return chip_.read_status();
}

u8 I8042::read_system_control_a(u64 offset) {
    if (offset != 0) return BytePorts::undecoded;
    const std::lock_guard lock(mutex_);
    return chip_.read_port_a();
}

void I8042::write(u64 offset, u8 value, void (I8042Chip::*to)(u8)) {
    if (offset != 0) return;
    bool resets = false;
    {
        const std::lock_guard lock(mutex_);
        (chip_.*to)(value);
        resets = chip_.take_reset();
        update_outputs();
    }
    flush_outputs();
    if (resets) platform_.request_reset();
}

void I8042::key(bus::Key key, bool down) {
    const std::lock_guard lock(mutex_);
    if (waiting_keys_.size() >= most_waiting_keys) waiting_keys_.clear();  // nobody reads them
    waiting_keys_.push_back({key, down});
    type_waiting();
    update_outputs();
}

void I8042::type_waiting() {
    for (; !waiting_keys_.empty() && chip_.takes_keys(); waiting_keys_.pop_front())
        chip_.key(waiting_keys_.front().key, waiting_keys_.front().down);
}

void I8042::pointer(const bus::PointerState& state) {
    const std::lock_guard lock(mutex_);
    chip_.pointer(state);
    update_outputs();
}

void I8042::wake_mouse_driver() {
    const std::lock_guard lock(mutex_);
    chip_.mouse_reports_nothing();
    update_outputs();
}

void I8042::deliver() {
    {
        const std::lock_guard lock(mutex_);
        delivery_on_its_way_ = false;
        chip_.deliver();
        type_waiting();
        update_outputs();
    }
    flush_outputs();
}

/// With the lock held, after every change.
void I8042::update_outputs() {
    if (chip_.wants_delivery() && !delivery_on_its_way_) {
        delivery_on_its_way_ = true;
        delivery_->arm(clock_.now() + byte_time);
    }
    keyboard_interrupt_.set(chip_.keyboard_interrupt());
    mouse_interrupt_.set(chip_.mouse_interrupt());
    a20_.set(chip_.a20());
}

void I8042::flush_outputs() {
    keyboard_interrupt_.flush();
    mouse_interrupt_.flush();
    a20_.flush();
}

}  // namespace softmetal::devices
