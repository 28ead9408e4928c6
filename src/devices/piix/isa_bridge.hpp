// The PIIX3's bridge to ISA, function 0: which ISA interrupt each PCI interrupt pin is steered to.
#pragma once

#include "devices/pci/pci_function.hpp"

#include <array>
#include <memory>

namespace softmetal::devices::piix {

class IsaBridge final : public pci::PciFunction {
 public:
    static constexpr unsigned pin_count = 4, irq_count = 16;
    /// The ISA interrupts' wires, by number; those that a pin cannot be steered to are not used.
    using IsaLines = std::array<bus::InterruptLine*, irq_count>;

    IsaBridge(const pci::Surroundings& surroundings, const IsaLines& lines);
    [[nodiscard]] static Result<std::unique_ptr<IsaBridge>> restore(const pci::Surroundings& surroundings,
                                                                    const IsaLines& lines,
                                                                    const bus::SavedState& state);

    /// PIRQA to PIRQD.
    [[nodiscard]] bus::InterruptLine& pin(unsigned number) { return pins_.at(number); }

    [[nodiscard]] std::string_view name() const override { return "piix_isa_bridge"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    struct Pin final : bus::InterruptLine {
        void set_level(bool level) override;
        IsaBridge* bridge = nullptr;
        bool high = false;
    };

    void configuration_written(u8 offset, unsigned width) override;
    void read_routes();
    /// Drives every interrupt that a high pin is steered to. mutex_ held.
    void drive();

    const IsaLines lines_;
    std::mutex mutex_;  // below the configuration's, above the wires'
    std::array<u8, pin_count> routes_{};
    std::array<Pin, pin_count> pins_;
    u16 driven_ = 0;  // a bit for each ISA interrupt
};

}  // namespace softmetal::devices::piix
