// MSI-X (PCI Local Bus Specification 3.0, ch. 6.8.2): the capability's control word, the vector table and the
// pending bits.
//
// A lock of its own, below those of the device and of its configuration space.
#pragma once

#include "bus/address_space.hpp"
#include "bus/interrupts.hpp"
#include "devices/pci/config_space.hpp"

#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

namespace softmetal::devices::pci {

class Msix {
 public:
    static constexpr unsigned entry_size = 16;

    /// Adds the capability; table and pending bits lie in BAR `bar`, at these offsets.
    Msix(ConfigSpace& configuration, unsigned vectors, unsigned bar, u32 table_offset, u32 pending_offset,
         bus::InterruptMessageSink& sink);

    [[nodiscard]] unsigned vectors() const { return static_cast<unsigned>(entries_.size()); }
    [[nodiscard]] bool enabled() const;

    /// Sends the vector's message, or remembers it while it is masked. An unknown vector sends nothing.
    void send(unsigned vector);

    // Offsets are relative to the table and to the pending bits.
    [[nodiscard]] u64 read_table(u64 offset, unsigned width) const;
    void write_table(u64 offset, unsigned width, u64 value);
    [[nodiscard]] u64 read_pending(u64 offset, unsigned width) const;

    /// The function's configuration space has been written or restored.
    void follow(const ConfigSpace& configuration);
    void reset();

    [[nodiscard]] nlohmann::json save() const;
    [[nodiscard]] Result<> restore(const nlohmann::json& fields);

 private:
    struct Entry {
        u32 address_low = 0, address_high = 0, data = 0, control = 1;
        bool pending = false;
    };
    [[nodiscard]] u32 word(u64 offset) const;
    void set_word(u64 offset, u32 value);
    void send_unmasked();

    bus::InterruptMessageSink& sink_;
    u8 capability_ = 0;
    mutable std::mutex mutex_;
    bool enabled_ = false, masked_ = false;
    std::vector<Entry> entries_;
};

}  // namespace softmetal::devices::pci
