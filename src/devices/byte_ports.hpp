// Ports behind which every register is one byte. A wider access becomes byte accesses to consecutive ports,
// as the ISA bus splits it for an eight-bit device.
#pragma once

#include "bus/address_space.hpp"

namespace softmetal::devices {

class BytePorts : public bus::IoHandler {
 public:
    [[nodiscard]] u64 read_io(u64 offset, unsigned width) final {
        u64 value = 0;
        for (unsigned i = 0; i < width; ++i) value |= u64{read_port(offset + i)} << (8 * i);
        return value;
    }
    void write_io(u64 offset, unsigned width, u64 value) final {
        for (unsigned i = 0; i < width; ++i) write_port(offset + i, static_cast<u8>(value >> (8 * i)));
    }

    /// What an undecoded port reads; a wide access may run past the device's last port.
    static constexpr u8 undecoded = 0xff;

 private:
    [[nodiscard]] virtual u8 read_port(u64 offset) = 0;
    virtual void write_port(u64 offset, u8 value) = 0;
};

/// For a device with several separate port ranges: one of them, answered by two member functions.
template <class Owner>
class PortRange final : public BytePorts {
 public:
    using Read = u8 (Owner::*)(u64 offset);
    using Write = void (Owner::*)(u64 offset, u8 value);
    PortRange(Owner& owner, Read read, Write write) : owner_(owner), read_(read), write_(write) {}

 private:
    u8 read_port(u64 offset) override { return (owner_.*read_)(offset); }
    void write_port(u64 offset, u8 value) override { (owner_.*write_)(offset, value); }

    Owner& owner_;
    Read read_;
    Write write_;
};

}  // namespace softmetal::devices
