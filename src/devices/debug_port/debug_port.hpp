// Port 0x80: where firmware shows its progress codes, and where kernels write to let an I/O cycle pass. It
// keeps the last byte, as the DMA page register that lies there on a PC does.
#pragma once

#include "base/result.hpp"
#include "bus/device.hpp"
#include "devices/byte_ports.hpp"

#include <atomic>
#include <memory>

namespace softmetal::devices {

class DebugPort final : public BytePorts, public bus::Device {
 public:
    DebugPort() = default;
    [[nodiscard]] static Result<std::unique_ptr<DebugPort>> restore(const bus::SavedState& saved);

    [[nodiscard]] u8 last() const { return last_.load(std::memory_order_relaxed); }

    [[nodiscard]] std::string_view name() const override { return "debug_port"; }
    void reset() override { last_ = 0; }
    [[nodiscard]] bus::SavedState save() const override;

 private:
    u8 read_port(u64 offset) override { return offset == 0 ? last() : undecoded; }
    void write_port(u64 offset, u8 value) override {
        if (offset == 0) last_.store(value, std::memory_order_relaxed);
    }

    std::atomic<u8> last_ = 0;
};

}  // namespace softmetal::devices
