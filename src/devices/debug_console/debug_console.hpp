// Port 0x402: a console for firmware's own messages, as QEMU's isa-debugcon. Reading it says that it is
// there.
#pragma once

#include "base/result.hpp"
#include "bus/backends/byte_stream.hpp"
#include "bus/device.hpp"
#include "devices/byte_ports.hpp"

#include <memory>

namespace softmetal::devices {

class DebugConsole final : public BytePorts, public bus::Device {
 public:
    static constexpr u8 presence = 0xe9;

    explicit DebugConsole(bus::ByteStream& output) : output_(output) {}
    [[nodiscard]] static Result<std::unique_ptr<DebugConsole>> restore(bus::ByteStream& output,
                                                                       const bus::SavedState& saved);

    [[nodiscard]] std::string_view name() const override { return "debug_console"; }
    void reset() override {}
    [[nodiscard]] bus::SavedState save() const override;

 private:
    u8 read_port(u64 offset) override { return offset == 0 ? presence : undecoded; }
    void write_port(u64 offset, u8 value) override {
        if (offset == 0) output_.write({&value, 1});
    }

    bus::ByteStream& output_;
};

}  // namespace softmetal::devices
