// Message-signalled interrupts (PCI Local Bus Specification 3.0, ch. 6.8.1): the capability, all of whose
// registers lie in configuration space, and the messages that wait for their mask bit.
//
// A lock of its own, below those of the device and of its configuration space.
#pragma once

#include "bus/interrupts.hpp"
#include "devices/pci/config_space.hpp"

#include <mutex>
#include <nlohmann/json.hpp>

namespace softmetal::devices::pci {

class Msi {
 public:
    struct Form {
        unsigned vectors = 1;  // a power of two, at most 32
        bool wide = false;     // takes 64-bit addresses
        bool maskable = false;
    };
    /// Adds the capability.
    Msi(ConfigSpace& configuration, const Form& form, bus::InterruptMessageSink& sink);

    [[nodiscard]] bool enabled() const;

    /// Sends the vector's message, or remembers it while it is masked. Where software has allowed fewer
    /// messages than there are vectors, they share the last.
    void send(unsigned vector);

    /// The function's configuration space has been written or restored.
    void follow(ConfigSpace& configuration);
    /// The pending bits are about to be read there.
    void refresh(ConfigSpace& configuration) const;
    void reset();

    [[nodiscard]] nlohmann::json save() const;
    [[nodiscard]] Result<> restore(const nlohmann::json& fields);

 private:
    [[nodiscard]] u8 at(unsigned offset) const { return static_cast<u8>(capability_ + offset); }
    void send_unmasked();

    const Form form_;
    bus::InterruptMessageSink& sink_;
    u8 capability_ = 0;
    mutable std::mutex mutex_;
    bool enabled_ = false;
    unsigned allowed_ = 1;  // messages
    u64 address_ = 0;
    u16 data_ = 0;
    u32 mask_ = 0, pending_ = 0;
};

}  // namespace softmetal::devices::pci
