#include "machine/boot/boot_screen.hpp"

#include "devices/vga/vga_registers.hpp"

namespace softmetal::machine {

void show_boot_screen(bus::AddressSpace& ports, const BootScreen& screen) {
    using namespace devices::vga;
    const auto set = [&](unsigned index, u32 value) {
        ports.write(port::dispi_index, 2, index);
        ports.write(port::dispi_data, 2, value);
    };
    set(dispi::enable, 0);
    set(dispi::width, screen.width);
    set(dispi::height, screen.height);
    set(dispi::depth, 32);
    set(dispi::enable, dispi::enabled | dispi::linear);
}

}  // namespace softmetal::machine
