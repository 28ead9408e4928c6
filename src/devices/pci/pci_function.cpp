#include "devices/pci/pci_function.hpp"

#include "base/bits.hpp"
#include "devices/pci/pci_registers.hpp"
#include "devices/state_reader.hpp"

#include <algorithm>
#include <bit>

namespace softmetal::devices::pci {

PciFunction::PciFunction(const Identity& identity, const Surroundings& surroundings)
    : surroundings_(surroundings), rom_(surroundings_.option_rom), dma_(surroundings.dma, bus_master_) {
    ConfigSpace& c = configuration_;
    c.define(reg::vendor, 2, identity.vendor);
    c.define(reg::device, 2, identity.device);
    c.define(reg::command, 2, 0, command::writable);
    c.define(reg::revision, 1, identity.revision);
    c.define(reg::class_code, 3, identity.class_code);
    c.define(reg::cache_line, 2, 0, 0xffff);  // and the latency timer: kept, without effect
    c.define(reg::subsystem_vendor, 2, identity.subsystem_vendor);
    c.define(reg::subsystem, 2, identity.subsystem);
    if (surroundings_.interrupt) {
        c.define(reg::interrupt_line, 1, 0, 0xff);
        c.define(reg::interrupt_pin, 1, 1);
    }
    if (!surroundings_.option_rom.empty()) add_expansion_rom();
}

PciFunction::~PciFunction() { release_bars(); }

void PciFunction::release_bars() {
    for (Bar& bar : bars_) unmap(bar);
}

void PciFunction::refresh_configuration(u8, unsigned) {}
void PciFunction::configuration_written(u8, unsigned) {}

void PciFunction::bar_moved(unsigned, std::optional<u64>) {}

void PciFunction::add_bar(unsigned index, BarKind kind, u64 size, bus::IoHandler& handler) {
    bars_.at(index) = {kind, size, &handler, {}};
    const u8 offset = bar_offset(index);
    const u32 flags = kind == BarKind::port ? bar::port : kind == BarKind::memory_64 ? bar::memory_64 : 0;
    configuration_.define(offset, 4, flags, static_cast<u32>(~(size - 1)));
    if (kind == BarKind::memory_64)
        configuration_.define(static_cast<u8>(offset + 4), 4, 0, static_cast<u32>(~(size - 1) >> 32));
}

void PciFunction::add_expansion_rom() {
    const u64 size = std::bit_ceil(std::max<u64>(surroundings_.option_rom.size(), bar::smallest_rom));
    bars_[rom_index] = {BarKind::expansion_rom, size, &rom_, {}};
    configuration_.define(reg::expansion_rom, 4, 0, static_cast<u32>(~(size - 1)) | bar::rom_enable);
}

/// Behind the image's end the ROM reads as one that is not programmed does.
u64 PciFunction::RomImage::read_io(u64 offset, unsigned width) {
    u64 value = 0;
    for (unsigned i = 0; i < width; ++i)
        value |= u64{offset + i < bytes_.size() ? bytes_[offset + i] : u8{0xff}} << (8 * i);
    return value;
}

void PciFunction::announce_more_functions() {
    configuration_.define(reg::header_type, 1, reg::multifunction);
}

u8 PciFunction::bar_offset(unsigned index) {
    return index == rom_index ? reg::expansion_rom : static_cast<u8>(reg::base_address0 + 4 * index);
}

u64 PciFunction::bar_address(unsigned index) const {
    const u8 offset = bar_offset(index);
    u64 value = configuration_.read(offset, 4);
    if (bars_[index].kind == BarKind::memory_64)
        value |= u64{configuration_.read(static_cast<u8>(offset + 4), 4)} << 32;
    return value & ~(bars_[index].size - 1);
}

bool PciFunction::decodes(unsigned index, u32 command) const {
    const BarKind kind = bars_[index].kind;
    if (kind == BarKind::port) return command & command::port_decode;
    if (kind == BarKind::expansion_rom && !(configuration_.read(reg::expansion_rom, 4) & bar::rom_enable))
        return false;
    return command & command::memory_decode;
}

void PciFunction::unmap(Bar& bar) {
    if (!bar.mapped) return;
    space(bar).detach(*bar.handler, *bar.mapped);
    bar.mapped.reset();
}

void PciFunction::apply_configuration() {
    const u32 command = configuration_.read(reg::command, 2);
    bus_master_ = (command & command::bus_master) != 0;
    for (unsigned i = 0; i < bars_.size(); ++i) {
        Bar& bar = bars_[i];
        if (bar.size == 0) continue;
        const bool port = bar.kind == BarKind::port;
        const u64 limit = port ? 0x1'0000 : bar.kind == BarKind::memory_64 ? bit(52) : 0x1'0000'0000;
        const u64 address = bar_address(i);
        // Address 0 is "not assigned yet", the end of the space is what sizing leaves behind for a moment.
        const bool decoded = decodes(i, command) && address != 0 && address + bar.size < limit;
        if (decoded ? bar.mapped == address : !bar.mapped) continue;
        unmap(bar);
        // Where another range is in the way the other keeps it, as if it were the first to answer on the bus.
        if (decoded && space(bar).attach({address, bar.size}, *bar.handler)) bar.mapped = address;
        bar_moved(i, bar.mapped);
    }
    const std::lock_guard lock(interrupt_mutex_);
    interrupt_disabled_ = (command & command::interrupt_disable) != 0;
    if (surroundings_.interrupt)
        surroundings_.interrupt->set_level(interrupt_asserted_ && !interrupt_disabled_);
}

void PciFunction::set_interrupt_pin(bool asserted) {
    const std::lock_guard lock(interrupt_mutex_);
    interrupt_asserted_ = asserted;
    if (surroundings_.interrupt) surroundings_.interrupt->set_level(asserted && !interrupt_disabled_);
}

u32 PciFunction::read_configuration(u8 offset, unsigned width) {
    const std::lock_guard lock(configuration_mutex_);
    {
        const std::lock_guard pin(interrupt_mutex_);
        const u32 status = configuration_.read(reg::status, 2);
        configuration_.set(reg::status, 2,
                           interrupt_asserted_ ? status | status::interrupt : status & ~status::interrupt);
    }
    refresh_configuration(offset, width);
    return configuration_.read(offset, width);
}

void PciFunction::write_configuration(u8 offset, unsigned width, u32 value) {
    const std::lock_guard lock(configuration_mutex_);
    configuration_.write(offset, width, value);
    const bool header = offset < reg::base_address0 + 4 * bar::count;
    if (header || (offset & ~3u) == reg::expansion_rom) apply_configuration();
    configuration_written(offset, width);
}

void PciFunction::reset_configuration() {
    const std::lock_guard lock(configuration_mutex_);
    configuration_.reset();
    apply_configuration();
}

nlohmann::json PciFunction::save_configuration() const {
    const std::lock_guard lock(configuration_mutex_);
    const std::lock_guard pin(interrupt_mutex_);
    return {{"bytes", configuration_.bytes()}, {"interrupt", interrupt_asserted_}};
}

Result<> PciFunction::restore_configuration(const nlohmann::json& fields) {
    StateReader in(fields, "PCI configuration");
    std::array<u8, ConfigSpace::size> bytes{};
    in.numbers<u8>("bytes", bytes);
    const bool interrupt = in.flag("interrupt");
    if (auto read = in.finish(); !read) return read;
    const std::lock_guard lock(configuration_mutex_);
    if (auto loaded = configuration_.load(bytes, reg::status); !loaded) return loaded;
    {
        const std::lock_guard pin(interrupt_mutex_);
        interrupt_asserted_ = interrupt;
    }
    apply_configuration();
    return {};
}

}  // namespace softmetal::devices::pci
