// A VGA with the Bochs display interface as PCI device 1234:1111, which QEMU calls its standard VGA and every
// system with a Bochs or VESA driver knows.
//
// Base address 0 is the memory itself, which processors reach like RAM; base address 2 has the registers once
// more. The legacy ports and the legacy window belong to it whatever the command register says.
#pragma once

#include "bus/backends/screen.hpp"
#include "bus/clock.hpp"
#include "bus/movable_memory.hpp"
#include "devices/byte_ports.hpp"
#include "devices/pci/pci_function.hpp"
#include "devices/vga/vga_chip.hpp"

#include <memory>
#include <mutex>
#include <vector>

namespace softmetal::devices {

class Vga final : public pci::PciFunction, public bus::Screen {
 public:
    /// All outlive the device.
    struct Resources {
        const pci::Surroundings& surroundings;
        bus::MovableMemory& memory;  // a power of two, at least vga::least_memory
        const bus::Clock& clock;
    };
    explicit Vga(Resources resources);
    [[nodiscard]] static Result<std::unique_ptr<Vga>> restore(Resources resources,
                                                              const bus::SavedState& state);
    ~Vga() override;

    [[nodiscard]] bus::IoHandler& ports() { return ports_; }    // vga::port::first, count
    [[nodiscard]] bus::IoHandler& dispi() { return dispi_; }    // vga::port::dispi_index, 3 ports
    [[nodiscard]] bus::IoHandler& window() { return window_; }  // vga::window_base, window_size

    // bus::Screen
    [[nodiscard]] std::unique_ptr<bus::Picture> picture() override;

    [[nodiscard]] std::string_view name() const override { return "vga"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    /// A range of registers behind two member functions.
    class Range final : public bus::IoHandler {
     public:
        using Read = u64 (Vga::*)(u64 offset, unsigned width);
        using Write = void (Vga::*)(u64 offset, unsigned width, u64 value);
        Range(Vga& owner, Read read, Write write) : owner_(owner), read_(read), write_(write) {}
        [[nodiscard]] u64 read_io(u64 offset, unsigned width) override {
            return (owner_.*read_)(offset, width);
        }
        void write_io(u64 offset, unsigned width, u64 value) override {
            (owner_.*write_)(offset, width, value);
        }

     private:
        Vga& owner_;
        Read read_;
        Write write_;
    };

    u8 read_port(u64 offset);
    void write_port(u64 offset, u8 value);
    u64 read_dispi(u64 offset, unsigned width);
    void write_dispi(u64 offset, unsigned width, u64 value);
    u64 read_window(u64 offset, unsigned width);
    void write_window(u64 offset, unsigned width, u64 value);
    u64 read_memory(u64 offset, unsigned width);
    void write_memory(u64 offset, unsigned width, u64 value);
    u64 read_registers(u64 offset, unsigned width);
    void write_registers(u64 offset, unsigned width, u64 value);
    void ignore_write(u64, unsigned, u64) {}
    void bar_moved(unsigned index, std::optional<u64> address) override;

    bus::MovableMemory& memory_;
    const bus::Clock& clock_;
    mutable std::mutex mutex_;
    VgaChip chip_;
    PortRange<Vga> ports_;
    Range dispi_, window_, memory_range_, registers_;
};

}  // namespace softmetal::devices
