// What the subjects of most devices have in common: Resources, restore(Resources, state), save().
#pragma once

#include "devices.hpp"

namespace softmetal::fuzz {

template <class Device>
class DeviceSubject : public Subject {
 public:
    bus::SavedState save() override { return device->save(); }
    bool restore(const bus::SavedState& state) override {
        auto restored = make(state);
        if (!restored) return false;
        device = std::move(*restored);
        return true;
    }

 protected:
    [[nodiscard]] virtual Result<std::unique_ptr<Device>> make(const bus::SavedState& state) = 0;
    devices::testing::FakeLine line, second_line, third_line;
    devices::testing::FakePlatform platform;
    devices::testing::FakeStream stream;
    std::unique_ptr<Device> device;
};

}  // namespace softmetal::fuzz
