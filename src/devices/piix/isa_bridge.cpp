#include "devices/piix/isa_bridge.hpp"

#include "base/bits.hpp"
#include "devices/piix/piix_registers.hpp"
#include "devices/state_reader.hpp"

namespace softmetal::devices::piix {

namespace {

constexpr pci::Identity identity{.vendor = 0x8086,
                                 .device = 0x7000,
                                 .revision = 0,
                                 .class_code = 0x060100,
                                 .subsystem_vendor = 0,
                                 .subsystem = 0};

}  // namespace

IsaBridge::IsaBridge(const pci::Surroundings& surroundings, const IsaLines& lines)
    : PciFunction(identity, surroundings), lines_(lines) {
    pci::ConfigSpace& c = configuration();
    c.define(isa::io_recovery, 1, 0x4d, 0x7f);
    c.define(isa::xbus_select, 2, 0x03, 0x3ff);
    for (u8 i = 0; i < isa::pirq_count; ++i)
        c.define(static_cast<u8>(isa::pirq_route + i), 1, isa::pirq_disabled, isa::pirq_writable);
    c.define(isa::top_of_memory, 1, 0x02, 0xfe);
    for (Pin& pin : pins_) pin.bridge = this;
    read_routes();
}

void IsaBridge::Pin::set_level(bool level) {
    const std::lock_guard lock(bridge->mutex_);
    high = level;
    bridge->drive();
}

void IsaBridge::drive() {
    u16 wanted = 0;
    for (unsigned i = 0; i < pin_count; ++i)
        if (pins_[i].high && !(routes_[i] & isa::pirq_disabled))
            wanted |= static_cast<u16>(1u << (routes_[i] & isa::pirq_irq));
    wanted &= isa::routable_irqs;
    for (unsigned irq = 0; irq < irq_count; ++irq)
        if ((wanted ^ driven_) & bit(irq) && lines_[irq]) lines_[irq]->set_level(wanted & bit(irq));
    driven_ = wanted;
}

void IsaBridge::read_routes() {
    const std::lock_guard lock(mutex_);
    for (u8 i = 0; i < pin_count; ++i)
        routes_[i] = static_cast<u8>(configuration().read(static_cast<u8>(isa::pirq_route + i), 1));
    drive();
}

void IsaBridge::configuration_written(u8 offset, unsigned width) {
    if (offset + width > isa::pirq_route && offset < isa::pirq_route + isa::pirq_count) read_routes();
}

void IsaBridge::reset() {
    reset_configuration();
    read_routes();
}

/// The pins' levels are their drivers' state.
bus::SavedState IsaBridge::save() const {
    return {.schema = "piix_isa_bridge", .version = 1, .fields = {{"configuration", save_configuration()}}};
}

Result<std::unique_ptr<IsaBridge>> IsaBridge::restore(const pci::Surroundings& surroundings,
                                                      const IsaLines& lines, const bus::SavedState& state) {
    StateReader in(state, "piix_isa_bridge", 1);
    auto restored = std::make_unique<IsaBridge>(surroundings, lines);
    const nlohmann::json& saved = in.part("configuration");
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    if (auto loaded = restored->restore_configuration(saved); !loaded) return std::unexpected(loaded.error());
    restored->read_routes();
    return restored;
}

}  // namespace softmetal::devices::piix
