#include "devices/piix/power_management.hpp"

#include "devices/pci/pci_registers.hpp"
#include "devices/piix/piix_registers.hpp"
#include "devices/state_reader.hpp"

namespace softmetal::devices::piix {

namespace {

constexpr pci::Identity identity{.vendor = 0x8086,
                                 .device = 0x7113,
                                 .revision = 3,
                                 .class_code = 0x068000,
                                 .subsystem_vendor = 0,
                                 .subsystem = 0};
constexpr u8 sci_irq = 9;  // wired so; the register only says it

}  // namespace

PowerManagement::PowerManagement(const pci::Surroundings& surroundings, bus::IoHandler& registers)
    : PciFunction(identity, surroundings), ports_(surroundings.ports), registers_(registers) {
    pci::ConfigSpace& c = configuration();
    c.define(pci::reg::interrupt_line, 1, sci_irq, 0xff);
    c.define(pci::reg::interrupt_pin, 1, 1);
    c.define(power::base, 4, power::base_is_port, power::base_address);
    // There is no SMM, so its set-up looks as if it were done: firmware then leaves it alone.
    c.define(power::device_activity_b, 4, power::apmc_enable);
    c.define(power::misc, 1, 0, power::decode_enable);
    c.define(power::smbus_base, 4, power::base_is_port, power::smbus_base_address);
}

PowerManagement::~PowerManagement() {
    if (mapped_) ports_.detach(registers_, *mapped_);
}

void PowerManagement::apply_base() {
    const u64 base = configuration().read(power::base, 4) & power::base_address;
    const bool decoded = base != 0 && configuration().read(power::misc, 1) & power::decode_enable;
    if (decoded && mapped_ == base) return;
    if (mapped_) ports_.detach(registers_, *mapped_);
    mapped_.reset();
    // Where other ports are in the way those keep answering.
    if (decoded && ports_.attach({base, power::block_ports}, registers_)) mapped_ = base;
}

void PowerManagement::configuration_written(u8, unsigned) { apply_base(); }

void PowerManagement::place(u16 port) {
    write_configuration(power::base, 4, port);
    write_configuration(power::misc, 1, power::decode_enable);
}

void PowerManagement::reset() {
    reset_configuration();
    apply_base();
}

bus::SavedState PowerManagement::save() const {
    return {
        .schema = "piix_power_management", .version = 1, .fields = {{"configuration", save_configuration()}}};
}

Result<std::unique_ptr<PowerManagement>> PowerManagement::restore(const pci::Surroundings& surroundings,
                                                                  bus::IoHandler& registers,
                                                                  const bus::SavedState& state) {
    StateReader in(state, "piix_power_management", 1);
    auto restored = std::make_unique<PowerManagement>(surroundings, registers);
    const nlohmann::json& saved = in.part("configuration");
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    if (auto loaded = restored->restore_configuration(saved); !loaded) return std::unexpected(loaded.error());
    restored->apply_base();
    return restored;
}

}  // namespace softmetal::devices::piix
