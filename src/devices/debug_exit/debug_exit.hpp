// A port by which the guest ends the machine with a value of its own, for test kernels: QEMU's
// isa-debug-exit.
#pragma once

#include "base/result.hpp"
#include "bus/address_space.hpp"
#include "bus/device.hpp"
#include "bus/platform.hpp"

#include <memory>

namespace softmetal::devices {

class DebugExit final : public bus::IoHandler, public bus::Device {
 public:
    explicit DebugExit(bus::PlatformControl& platform) : platform_(platform) {}
    [[nodiscard]] static Result<std::unique_ptr<DebugExit>> restore(bus::PlatformControl& platform,
                                                                    const bus::SavedState& saved);

    [[nodiscard]] u64 read_io(u64, unsigned) override { return 0; }
    void write_io(u64, unsigned width, u64 value) override;

    [[nodiscard]] std::string_view name() const override { return "debug_exit"; }
    void reset() override {}
    [[nodiscard]] bus::SavedState save() const override;

 private:
    bus::PlatformControl& platform_;
};

}  // namespace softmetal::devices
