#include "devices/pci/root_bus.hpp"

#include "base/bits.hpp"
#include "devices/pci/pci_registers.hpp"
#include "devices/state_reader.hpp"

namespace softmetal::devices::pci {

void RootBus::connect(unsigned slot, PciFunction& function, unsigned number) {
    if (number != 0) functions_.at(slot * functions_a_slot)->announce_more_functions();
    functions_.at(slot * functions_a_slot + number) = &function;
}

RootBus::Target RootBus::selected(u64 port_offset, unsigned width) const {
    const std::lock_guard lock(mutex_);
    const unsigned byte = static_cast<unsigned>(port_offset - port::data);
    if (!(address_ & port::address_enable) || byte + width > 4) return {};
    if (bits(address_, 23, 16) != 0) return {};  // there is bus 0 only
    return {functions_[bits(address_, 15, 8)], static_cast<u8>((address_ & 0xfc) + byte)};
}

u64 RootBus::read_io(u64 offset, unsigned width) {
    if (offset >= port::data) {
        const Target target = selected(offset, width);
        return target.function ? target.function->read_configuration(target.offset, width) : ~u64{0};
    }
    const std::lock_guard lock(mutex_);
    if (offset == port::address && width == 4) return address_;
    if (offset == port::reset_control && width == 1) return reset_control_;
    return ~u64{0};
}

void RootBus::write_io(u64 offset, unsigned width, u64 value) {
    if (offset >= port::data) {
        const Target target = selected(offset, width);
        if (target.function)
            target.function->write_configuration(target.offset, width, static_cast<u32>(value));
        return;
    }
    std::unique_lock lock(mutex_);
    if (offset == port::address && width == 4) address_ = static_cast<u32>(value) & port::address_writable;
    if (offset != port::reset_control || width != 1) return;
    const bool reset = (value & port::reset_now) && !(reset_control_ & port::reset_now);
    reset_control_ = static_cast<u8>(value & (port::reset_hard | port::reset_now));
    lock.unlock();
    if (reset) platform_.request_reset();
}

Result<> RootBus::assign_addresses(bus::AddressRange memory, bus::AddressRange ports) {
    u64 next_memory = memory.first, next_port = ports.first;
    const auto place = [](u64& next, u64 size, const bus::AddressRange& window) -> Result<u64> {
        const u64 address = align_up(next, size);
        if (address - window.first + size > window.size)
            return fail(fmt::format("the PCI window at {:#x} is too small for its devices", window.first));
        next = address + size;
        return address;
    };
    for (PciFunction* function : functions_) {
        if (!function) continue;
        u16 decode = 0;
        for (unsigned i = 0; i < bar::count; ++i) {
            const u8 offset = static_cast<u8>(reg::base_address0 + 4 * i);
            const u32 before = function->read_configuration(offset, 4);
            function->write_configuration(offset, 4, ~0u);
            const u32 sized = function->read_configuration(offset, 4);
            function->write_configuration(offset, 4, before);
            if (sized == 0) continue;
            const bool is_port = sized & bar::port;
            const u64 size = (~u64{sized & (is_port ? ~3u : ~15u)} & 0xffff'ffff) + 1;
            const auto address = is_port ? place(next_port, size, ports) : place(next_memory, size, memory);
            if (!address) return std::unexpected(address.error());
            function->write_configuration(offset, 4, static_cast<u32>(*address));
            decode |= is_port ? command::port_decode : command::memory_decode;
            if (!is_port && (sized & bar::memory_64)) {
                ++i;
                function->write_configuration(static_cast<u8>(offset + 4), 4,
                                              static_cast<u32>(*address >> 32));
            }
        }
        function->write_configuration(reg::command, 2,
                                      function->read_configuration(reg::command, 2) | decode);
    }
    return {};
}

void RootBus::reset() {
    const std::lock_guard lock(mutex_);
    address_ = 0;
    reset_control_ = 0;
}

bus::SavedState RootBus::save() const {
    const std::lock_guard lock(mutex_);
    return {.schema = "pci_root_bus",
            .version = 1,
            .fields = {{"address", address_}, {"reset_control", reset_control_}}};
}

Result<std::unique_ptr<RootBus>> RootBus::restore(bus::PlatformControl& platform,
                                                  const bus::SavedState& state) {
    StateReader in(state, "pci_root_bus", 1);
    auto restored = std::make_unique<RootBus>(platform);
    restored->address_ = in.number<u32>("address");
    restored->reset_control_ = in.number<u8>("reset_control", port::reset_hard | port::reset_now);
    in.require((restored->address_ & ~port::address_writable) == 0, "reserved address bits are set");
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    return restored;
}

}  // namespace softmetal::devices::pci
