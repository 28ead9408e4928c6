// VMware's absolute pointer between a viewer and the PS/2 mouse: a driver that has asked for it hears of a
// movement by the mouse's interrupt, with a packet that moves nothing, and takes the position from here.
#pragma once

#include "base/result.hpp"
#include "bus/backends/input.hpp"
#include "bus/device.hpp"
#include "devices/vmware_pointer/vmware_pointer_chip.hpp"

#include <functional>
#include <memory>
#include <mutex>

namespace softmetal::devices {

class VmwarePointer final : public bus::Device, public bus::InputSink {
 public:
    struct Resources {
        bus::InputSink& keyboard_and_mouse;
        std::function<void()> wake_driver;  // a packet of the mouse's without movement
    };
    explicit VmwarePointer(Resources resources) : resources_(std::move(resources)) {}
    [[nodiscard]] static Result<std::unique_ptr<VmwarePointer>> restore(Resources resources,
                                                                        const bus::SavedState& saved);

    /// A call of the backdoor. False where the command is none of the pointer's.
    [[nodiscard]] bool call(VmwarePointerChip::Registers& registers);

    // bus::InputSink
    void key(bus::Key key, bool down) override { resources_.keyboard_and_mouse.key(key, down); }
    void pointer(const bus::PointerState& state) override;

    [[nodiscard]] std::string_view name() const override { return "vmware_pointer"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    const Resources resources_;
    mutable std::mutex mutex_;
    VmwarePointerChip chip_;
};

}  // namespace softmetal::devices
