#include "devices/vmware_pointer/vmware_pointer.hpp"

#include "devices/state_reader.hpp"

namespace softmetal::devices {

Result<std::unique_ptr<VmwarePointer>> VmwarePointer::restore(Resources resources,
                                                              const bus::SavedState& saved) {
    StateReader in(saved, "vmware_pointer", 1);
    auto device = std::make_unique<VmwarePointer>(std::move(resources));
    device->chip_.restore(in);
    if (const auto outcome = in.finish(); !outcome) return std::unexpected(outcome.error());
    return device;
}

bool VmwarePointer::call(VmwarePointerChip::Registers& registers) {
    const std::lock_guard lock(mutex_);
    return chip_.call(registers);
}

void VmwarePointer::pointer(const bus::PointerState& state) {
    const bool taken = [&] {
        const std::lock_guard lock(mutex_);
        return chip_.move(state);
    }();
    if (taken)
        resources_.wake_driver();
    else
        resources_.keyboard_and_mouse.pointer(state);
}

void VmwarePointer::reset() {
    const std::lock_guard lock(mutex_);
    chip_ = {};
}

bus::SavedState VmwarePointer::save() const {
    const std::lock_guard lock(mutex_);
    return {"vmware_pointer", 1, chip_.save()};
}

}  // namespace softmetal::devices
