// The floppy disk controller wired to IRQ 6, DMA channel 2 and the images in its drives.
#pragma once

#include "bus/device.hpp"
#include "bus/interrupts.hpp"
#include "devices/byte_ports.hpp"
#include "devices/floppy/floppy_chip.hpp"
#include "devices/line_driver.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>

namespace softmetal::devices::floppy {

class Floppy final : public bus::Device {
 public:
    /// All outlive the device.
    struct Resources {
        bus::InterruptLine& interrupt;
        bus::IsaDmaChannel& dma;
        /// Of a size that format_of() knows; null: no drive there. What an image lacks at its end reads as
        /// zeros, and cannot be written.
        std::array<bus::BlockStore*, drive_count> disks{};
    };

    explicit Floppy(const Resources& resources);
    ~Floppy() override;
    [[nodiscard]] static Result<std::unique_ptr<Floppy>> restore(const Resources& resources,
                                                                 const bus::SavedState& saved);

    [[nodiscard]] bus::IoHandler& registers() { return registers_; }          // 0x3f0 to 0x3f5
    [[nodiscard]] bus::IoHandler& digital_input() { return digital_input_; }  // 0x3f7

    [[nodiscard]] std::string_view name() const override { return "floppy"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    struct Job;
    u8 read_register(u64 offset);
    void write_register(u64 offset, u8 value);
    u8 read_digital_input(u64 offset);
    void write_configuration_control(u64 offset, u8 value);
    template <class Access>
    auto with(Access access);
    /// Asks storage for what the chip wants. mutex_ held.
    void pump();
    void submit(FloppyChip::Request request);

    const Resources resources_;
    mutable std::mutex mutex_;
    mutable std::condition_variable idle_;
    unsigned completions_ = 0;  // that are still to come, or at work
    bool in_flight_ = false;
    FloppyChip chip_;
    LineDriver interrupt_;
    PortRange<Floppy> registers_, digital_input_;
};

}  // namespace softmetal::devices::floppy
