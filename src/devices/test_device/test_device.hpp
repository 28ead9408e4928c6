// What kernels made for testing a machine expect beside ordinary devices, as QEMU's pc-testdev has it: a port
// that gives back what was written, ports that drive interrupt lines, and device memory that keeps its bytes.
#pragma once

#include "base/result.hpp"
#include "bus/address_space.hpp"
#include "bus/device.hpp"
#include "bus/interrupts.hpp"

#include <array>
#include <memory>
#include <mutex>
#include <vector>

namespace softmetal::devices {

class TestDevice final : public bus::Device {
 public:
    static constexpr u64 data_port_count = 4;
    static constexpr u64 memory_size = 0x1'0000;

    /// `lines[i]` is driven by port i of the line ports; null where there is none to drive. They outlive it.
    explicit TestDevice(std::vector<bus::InterruptLine*> lines);
    [[nodiscard]] static Result<std::unique_ptr<TestDevice>> restore(std::vector<bus::InterruptLine*> lines,
                                                                     const bus::SavedState& saved);

    [[nodiscard]] bus::IoHandler& data_port() { return data_; }
    [[nodiscard]] bus::IoHandler& line_ports() { return line_ports_; }
    [[nodiscard]] u64 line_port_count() const { return line_ports_.lines.size(); }
    [[nodiscard]] bus::IoHandler& memory() { return memory_; }

    [[nodiscard]] std::string_view name() const override { return "test_device"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    struct DataPort final : bus::IoHandler {
        u64 read_io(u64, unsigned width) override;
        void write_io(u64, unsigned width, u64 value) override;
        std::mutex mutex;
        u32 value = 0;
    };
    struct LinePorts final : bus::IoHandler {
        u64 read_io(u64, unsigned width) override;
        void write_io(u64 offset, unsigned width, u64 value) override;
        std::vector<bus::InterruptLine*> lines;
    };
    struct Memory final : bus::IoHandler {
        u64 read_io(u64 offset, unsigned width) override;
        void write_io(u64 offset, unsigned width, u64 value) override;
        std::mutex mutex;
        std::array<u8, memory_size> bytes{};
    };

    mutable DataPort data_;
    LinePorts line_ports_;
    mutable Memory memory_;
};

}  // namespace softmetal::devices
