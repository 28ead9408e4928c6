#include "devices/vmware_pointer/vmware_pointer_chip.hpp"

#include "devices/state_reader.hpp"

#include <algorithm>
#include <array>

namespace softmetal::devices {

using namespace vmware;

bool VmwarePointerChip::call(Registers& registers) {
    switch (static_cast<u16>(registers.ecx)) {
        case command::pointer_command: obey(registers.ebx); return true;
        case command::pointer_status:
            registers.eax = enabled_ ? static_cast<u32>(queue_.size()) : pointer::error;
            return true;
        case command::pointer_data: take(registers); return true;
        case command::pointer_restrict: return true;
        default: return false;
    }
}

void VmwarePointerChip::obey(u32 command) {
    switch (command) {
        case pointer::enable:
            enabled_ = true;
            queue_.assign(1, pointer::version_id);
            return;
        case pointer::disable:
            enabled_ = absolute_ = false;
            queue_.clear();
            return;
        case pointer::request_absolute: absolute_ = enabled_; return;
        case pointer::request_relative: absolute_ = false; return;
        default: return;
    }
}

/// Who asks for more than there is has lost count: both begin anew.
void VmwarePointerChip::take(Registers& registers) {
    const u32 count = registers.ebx;
    if (count > pointer::packet_words || count > queue_.size()) {
        queue_.clear();
        registers.eax = pointer::error;
        return;
    }
    u32* const into[] = {&registers.eax, &registers.ebx, &registers.ecx, &registers.edx};
    for (u32 i = 0; i < count; i++) *into[i] = queue_[i];
    queue_.erase(queue_.begin(), queue_.begin() + count);
}

bool VmwarePointerChip::move(const bus::PointerState& p) {
    if (!absolute_) return false;
    const auto place = [](u32 at, u32 extent) {
        return extent > 1 ? std::min(at, extent - 1) * pointer::farthest / (extent - 1) : 0;
    };
    u32 buttons = 0;
    if (p.buttons & bus::pointer_button::left) buttons |= pointer::left;
    if (p.buttons & bus::pointer_button::right) buttons |= pointer::right;
    if (p.buttons & bus::pointer_button::middle) buttons |= pointer::middle;
    if (queue_.size() + pointer::packet_words > most_waiting) queue_.clear();  // nobody has looked for long
    const std::array<u32, pointer::packet_words> packet = {buttons, place(p.x, p.width), place(p.y, p.height),
                                                           static_cast<u32>(i32{p.wheel})};
    queue_.insert(queue_.end(), packet.begin(), packet.end());
    return true;
}

nlohmann::json VmwarePointerChip::save() const {
    return {{"enabled", enabled_}, {"absolute", absolute_}, {"queue", queue_}};
}

void VmwarePointerChip::restore(StateReader& in) {
    enabled_ = in.flag("enabled");
    absolute_ = in.flag("absolute");
    in.require(enabled_ || !absolute_, "positions of a pointer that is off");
    const nlohmann::json& queue = in.part("queue");
    in.require(queue.is_array() && queue.size() <= most_waiting, "more waits than it keeps");
    if (!in.good()) return;
    queue_.resize(queue.size());
    in.numbers<u32>("queue", queue_);
}

}  // namespace softmetal::devices
