#include "devices/vga/vga.hpp"

#include "devices/state_reader.hpp"
#include "devices/vga/edid.hpp"
#include "devices/vga/vga_picture.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace softmetal::devices {

using namespace vga;

namespace {

constexpr pci::Identity identity{.vendor = 0x1234,
                                 .device = 0x1111,
                                 .revision = 2,
                                 .class_code = 0x030000,  // a VGA-compatible display controller
                                 .subsystem_vendor = 0x1af4,
                                 .subsystem = 0x1100};
constexpr unsigned memory_bar = 0, register_bar = 2;
constexpr u32 prefetchable = 1u << 3;

/// `width` bytes that a function gives one by one.
template <class Read>
u64 by_bytes(unsigned width, Read read) {
    u64 value = 0;
    for (unsigned i = 0; i < width; ++i) value |= u64{read(i)} << (8 * i);
    return value;
}

u8 byte_of(u64 value, unsigned i) { return static_cast<u8>(value >> (8 * i)); }

}  // namespace

Vga::Vga(Resources resources)
    : PciFunction(identity, resources.surroundings),
      memory_(resources.memory),
      clock_(resources.clock),
      chip_(memory_.bytes()),
      ports_(*this, &Vga::read_port, &Vga::write_port),
      dispi_(*this, &Vga::read_dispi, &Vga::write_dispi),
      window_(*this, &Vga::read_window, &Vga::write_window),
      memory_range_(*this, &Vga::read_memory, &Vga::write_memory),
      registers_(*this, &Vga::read_registers, &Vga::write_registers) {
    add_bar(memory_bar, pci::BarKind::memory_32, memory_.bytes().size(), memory_range_);
    configuration().define(0x10, 1, prefetchable);
    add_bar(register_bar, pci::BarKind::memory_32, mmio::size, registers_);
}

Vga::~Vga() { memory_.place(std::nullopt); }

Result<std::unique_ptr<Vga>> Vga::restore(Resources resources, const bus::SavedState& state) {
    StateReader in(state, "vga", 1);
    const nlohmann::json& configuration = in.part("configuration");
    const nlohmann::json& registers = in.part("registers");
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    const auto loaded = load_vga(registers, resources.memory.bytes().size());
    if (!loaded) return std::unexpected(loaded.error());
    auto restored = std::make_unique<Vga>(resources);
    restored->chip_ = VgaChip(restored->memory_.bytes(), *loaded);
    if (auto mapped = restored->restore_configuration(configuration); !mapped)
        return std::unexpected(mapped.error());
    return restored;
}

void Vga::reset() {
    {
        const std::lock_guard lock(mutex_);
        chip_ = VgaChip(memory_.bytes());
    }
    reset_configuration();
}

/// Memory is saved with the machine's.
bus::SavedState Vga::save() const {
    const std::lock_guard lock(mutex_);
    return {.schema = "vga",
            .version = 1,
            .fields = {{"configuration", save_configuration()}, {"registers", save_vga(chip_.state())}}};
}

std::unique_ptr<bus::Picture> Vga::picture() {
    const std::lock_guard lock(mutex_);
    return std::make_unique<VgaPicture>(chip_.state(), memory_.bytes(), clock_.now());
}

void Vga::bar_moved(unsigned index, std::optional<u64> address) {
    if (index == memory_bar) memory_.place(address);
}

u8 Vga::read_port(u64 offset) {
    if (offset >= port::count) return BytePorts::undecoded;
    const std::lock_guard lock(mutex_);
    return chip_.read_port(static_cast<u16>(port::first + offset), clock_.now());
}

void Vga::write_port(u64 offset, u8 value) {
    if (offset >= port::count) return;
    const std::lock_guard lock(mutex_);
    chip_.write_port(static_cast<u16>(port::first + offset), value);
}

// The index at the first port, data at the two behind it, 16 bits at a time; of a byte access it is the lower
// half.

u64 Vga::read_dispi(u64 offset, unsigned width) {
    if (width > 2) return ~u64{0};
    const std::lock_guard lock(mutex_);
    return offset == 0 ? chip_.dispi_index() : chip_.read_dispi(chip_.dispi_index());
}

void Vga::write_dispi(u64 offset, unsigned width, u64 value) {
    if (width > 2) return;
    const std::lock_guard lock(mutex_);
    if (offset == 0)
        chip_.select_dispi(static_cast<u16>(value));
    else
        chip_.write_dispi(chip_.dispi_index(), static_cast<u16>(value));
}

u64 Vga::read_window(u64 offset, unsigned width) {
    const std::lock_guard lock(mutex_);
    return by_bytes(width, [&](unsigned i) { return chip_.read_window(static_cast<u32>(offset + i)); });
}

void Vga::write_window(u64 offset, unsigned width, u64 value) {
    const std::lock_guard lock(mutex_);
    for (unsigned i = 0; i < width; ++i) chip_.write_window(static_cast<u32>(offset + i), byte_of(value, i));
}

// What does not take the short way: memory that is not placed yet, or accesses across its end.

u64 Vga::read_memory(u64 offset, unsigned width) {
    const std::span<const u8> bytes = memory_.bytes();
    return by_bytes(width,
                    [&](unsigned i) { return offset + i < bytes.size() ? bytes[offset + i] : u8{0xff}; });
}

void Vga::write_memory(u64 offset, unsigned width, u64 value) {
    const std::span<u8> bytes = memory_.bytes();
    for (unsigned i = 0; i < width; ++i)
        if (offset + i < bytes.size()) bytes[offset + i] = byte_of(value, i);
}

u64 Vga::read_registers(u64 offset, unsigned width) {
    static const auto monitor = edid();
    if (offset < mmio::edid_end)
        return by_bytes(
            width, [&](unsigned i) { return offset + i < monitor.size() ? monitor[offset + i] : u8{0}; });
    constexpr u64 first_port = port::attribute - port::first;
    if (offset >= mmio::ports && offset < mmio::ports_end)
        return ports_.read_io(offset - mmio::ports + first_port, width);
    if (offset >= mmio::dispi && offset < mmio::dispi_end) {
        const std::lock_guard lock(mutex_);
        return chip_.read_dispi(static_cast<unsigned>(offset - mmio::dispi) / 2);
    }
    if (offset == mmio::extension_size) return mmio::extension_end - mmio::extension_size;
    if (offset == mmio::endianness) return mmio::little_endian;
    return 0;
}

void Vga::write_registers(u64 offset, unsigned width, u64 value) {
    constexpr u64 first_port = port::attribute - port::first;
    if (offset >= mmio::ports && offset < mmio::ports_end)
        return ports_.write_io(offset - mmio::ports + first_port, width, value);
    if (offset < mmio::dispi || offset >= mmio::dispi_end) return;
    const std::lock_guard lock(mutex_);
    chip_.write_dispi(static_cast<unsigned>(offset - mmio::dispi) / 2, static_cast<u16>(value));
}

}  // namespace softmetal::devices
