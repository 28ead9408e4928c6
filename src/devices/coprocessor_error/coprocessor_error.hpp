// The PIIX's coprocessor error logic: FERR# becomes IRQ 13, and a write to port 0xf0 takes that back and lets
// the processor ignore the exception (82371AB datasheet, "Coprocessor Error Register", FERR#, IGNNE#).
#pragma once

#include "base/result.hpp"
#include "bus/address_space.hpp"
#include "bus/device.hpp"
#include "bus/interrupts.hpp"
#include "bus/numeric_error.hpp"
#include "devices/line_driver.hpp"

#include <memory>
#include <mutex>

namespace softmetal::devices {

class CoprocessorError final : public bus::IoHandler, public bus::NumericErrorReceiver, public bus::Device {
 public:
    struct Resources {
        bus::InterruptLine& line;          // IRQ 13
        bus::NumericErrorPort& processor;  // IGNNE#
    };
    explicit CoprocessorError(const Resources& resources)
        : interrupt_(resources.line), processor_(resources.processor) {}
    [[nodiscard]] static Result<std::unique_ptr<CoprocessorError>> restore(const Resources& resources,
                                                                           const bus::SavedState& saved);

    void numeric_error() override;

    /// The register is written to only.
    [[nodiscard]] u64 read_io(u64 offset, unsigned width) override;
    void write_io(u64 offset, unsigned width, u64 value) override;

    [[nodiscard]] std::string_view name() const override { return "coprocessor_error"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    void drive(bool high);

    mutable std::mutex mutex_;
    LineDriver interrupt_;  // high: an error was reported, and the register not written to since
    bus::NumericErrorPort& processor_;
};

}  // namespace softmetal::devices
