#include "devices/test_device/test_device.hpp"

#include "base/bits.hpp"
#include "devices/state_reader.hpp"

#include <cstring>

namespace softmetal::devices {

TestDevice::TestDevice(std::vector<bus::InterruptLine*> lines) { line_ports_.lines = std::move(lines); }

Result<std::unique_ptr<TestDevice>> TestDevice::restore(std::vector<bus::InterruptLine*> lines,
                                                        const bus::SavedState& saved) {
    StateReader read(saved, "test_device", 1);
    auto device = std::make_unique<TestDevice>(std::move(lines));
    device->data_.value = read.number<u32>("data");
    read.numbers<u8>("memory", device->memory_.bytes);
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return device;
}

void TestDevice::reset() {
    const std::scoped_lock lock(data_.mutex, memory_.mutex);
    data_.value = 0;
    memory_.bytes = {};
}

bus::SavedState TestDevice::save() const {
    const std::scoped_lock lock(data_.mutex, memory_.mutex);
    return {"test_device", 1, {{"data", data_.value}, {"memory", memory_.bytes}}};
}

u64 TestDevice::DataPort::read_io(u64, unsigned width) {
    const std::lock_guard lock(mutex);
    return value & low_bits(8 * width);
}

void TestDevice::DataPort::write_io(u64, unsigned width, u64 written) {
    const std::lock_guard lock(mutex);
    const u64 mask = low_bits(8 * width);
    value = static_cast<u32>((value & ~mask) | (written & mask));
}

u64 TestDevice::LinePorts::read_io(u64, unsigned width) { return low_bits(8 * width); }

void TestDevice::LinePorts::write_io(u64 offset, unsigned, u64 value) {
    if (offset < lines.size() && lines[offset]) lines[offset]->set_level(value != 0);
}

u64 TestDevice::Memory::read_io(u64 offset, unsigned width) {
    if (offset >= memory_size || width > memory_size - offset) return low_bits(8 * width);
    const std::lock_guard lock(mutex);
    u64 value = 0;
    std::memcpy(&value, bytes.data() + offset, width);
    return value;
}

void TestDevice::Memory::write_io(u64 offset, unsigned width, u64 value) {
    if (offset >= memory_size || width > memory_size - offset) return;
    const std::lock_guard lock(mutex);
    std::memcpy(bytes.data() + offset, &value, width);
}

}  // namespace softmetal::devices
