// The subjects for fuzzing: serial line, keyboard, pointer, firmware configuration, and what helps with
// tests.
#include "../unit/devices/fake_ram.hpp"
#include "device_subject.hpp"
#include "devices/coprocessor_error/coprocessor_error.hpp"
#include "devices/debug_console/debug_console.hpp"
#include "devices/debug_exit/debug_exit.hpp"
#include "devices/debug_port/debug_port.hpp"
#include "devices/fw_cfg/fw_cfg.hpp"
#include "devices/i8042/i8042.hpp"
#include "devices/test_device/test_device.hpp"
#include "devices/uart16550/uart16550.hpp"
#include "devices/vmware_pointer/vmware_pointer.hpp"

namespace softmetal::fuzz {
namespace {

using namespace devices;
using namespace devices::testing;

class UartSubject final : public DeviceSubject<Uart16550> {
 public:
    UartSubject() { device = std::make_unique<Uart16550>(Uart16550::Resources{stream, line, clock, timers}); }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override { return 8; }
    void disturb(u8 how) override { stream.feed(std::string(how % 32, 'x')); }

 private:
    Result<std::unique_ptr<Uart16550>> make(const bus::SavedState& state) override {
        return Uart16550::restore({stream, line, clock, timers}, state);
    }
};

class I8042Subject final : public DeviceSubject<I8042> {
 public:
    I8042Subject() {
        device =
            std::make_unique<I8042>(I8042::Resources{line, second_line, third_line, platform, clock, timers});
    }
    std::vector<bus::IoHandler*> registers() override {
        return {&device->data_port(), &device->command_port(), &device->system_control_a()};
    }
    u64 register_bytes() const override { return 1; }
    void disturb(u8 how) override {
        if (how & 1)
            device->key(bus::Key{how}, how & 2);
        else
            device->pointer({.x = how,
                             .y = static_cast<u16>(how / 3),
                             .width = 256,
                             .height = 256,
                             .buttons = static_cast<u8>(how >> 3),
                             .wheel = static_cast<i8>(how)});
    }

 private:
    Result<std::unique_ptr<I8042>> make(const bus::SavedState& state) override {
        return I8042::restore({line, second_line, third_line, platform, clock, timers}, state);
    }
};

class FwCfgSubject final : public DeviceSubject<FwCfg> {
 public:
    ~FwCfgSubject() override { device.reset(); }
    FwCfgSubject() { device = std::make_unique<FwCfg>(items(), ram_); }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override { return 12; }
    /// A DMA request, anywhere.
    void disturb(u8 how) override {
        ram_.put<u32>(how * 8u, u32{how} << 24 | u32{how} << 8);
        ram_.put<u32>(how * 8u + 4, u32{how} << 16);
    }

 private:
    static FwCfgItems items() { return FwCfgItems({.ram_bytes = 1 << 20, .cpus = 2}); }
    Result<std::unique_ptr<FwCfg>> make(const bus::SavedState& state) override {
        return FwCfg::restore(items(), ram_, state);
    }
    FakeRam ram_{1 << 16};
};

/// A read's offset is the backdoor's command; what was last written is the other registers.
class VmwarePointerSubject final : public DeviceSubject<VmwarePointer>,
                                   private bus::IoHandler,
                                   private bus::InputSink {
 public:
    VmwarePointerSubject() { device = std::make_unique<VmwarePointer>(resources()); }
    std::vector<bus::IoHandler*> registers() override { return {this}; }
    u64 register_bytes() const override { return vmware::command::pointer_restrict + 1; }
    void disturb(u8 how) override {
        device->pointer({.x = how, .y = 3, .width = static_cast<u16>(how / 2), .height = 4, .buttons = how});
    }

 private:
    VmwarePointer::Resources resources() {
        return {*this, [] {}};
    }
    Result<std::unique_ptr<VmwarePointer>> make(const bus::SavedState& state) override {
        return VmwarePointer::restore(resources(), state);
    }
    u64 read_io(u64 offset, unsigned) override {
        VmwarePointerChip::Registers r{vmware::magic, parameter_, static_cast<u32>(offset), 0};
        if (!device->call(r)) return 0;
        return r.eax;
    }
    void write_io(u64, unsigned, u64 value) override {
        constexpr std::array known = {vmware::pointer::enable, vmware::pointer::disable,
                                      vmware::pointer::request_absolute, vmware::pointer::request_relative};
        parameter_ = value % 16 < known.size() ? known[value % 16] : static_cast<u32>(value);
    }
    void key(bus::Key, bool) override {}
    void pointer(const bus::PointerState&) override {}

    u32 parameter_ = vmware::pointer::enable;
};

class DebugPortSubject final : public DeviceSubject<DebugPort> {
 public:
    DebugPortSubject() { device = std::make_unique<DebugPort>(); }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override { return 1; }
    void disturb(u8) override {}

 private:
    Result<std::unique_ptr<DebugPort>> make(const bus::SavedState& state) override {
        return DebugPort::restore(state);
    }
};

class DebugExitSubject final : public DeviceSubject<DebugExit> {
 public:
    DebugExitSubject() { device = std::make_unique<DebugExit>(platform); }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override { return 4; }
    void disturb(u8) override {}

 private:
    Result<std::unique_ptr<DebugExit>> make(const bus::SavedState& state) override {
        return DebugExit::restore(platform, state);
    }
};

class DebugConsoleSubject final : public DeviceSubject<DebugConsole> {
 public:
    DebugConsoleSubject() { device = std::make_unique<DebugConsole>(stream); }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override { return 1; }
    void disturb(u8) override {}

 private:
    Result<std::unique_ptr<DebugConsole>> make(const bus::SavedState& state) override {
        return DebugConsole::restore(stream, state);
    }
};

/// Its memory is larger than the rest, and saved with every state: seldom more than its edge is needed.
class TestDeviceSubject final : public DeviceSubject<TestDevice>, private bus::IoHandler {
 public:
    TestDeviceSubject() { device = std::make_unique<TestDevice>(lines()); }
    std::vector<bus::IoHandler*> registers() override {
        return {&device->data_port(), &device->line_ports(), this};
    }
    u64 register_bytes() const override { return 32; }
    void disturb(u8) override { device->reset(); }

 private:
    std::vector<bus::InterruptLine*> lines() { return {&line, nullptr, &second_line}; }
    Result<std::unique_ptr<TestDevice>> make(const bus::SavedState& state) override {
        return TestDevice::restore(lines(), state);
    }
    static u64 place(u64 offset) { return TestDevice::memory_size - 16 + offset; }
    u64 read_io(u64 offset, unsigned width) override {
        return device->memory().read_io(place(offset), width);
    }
    void write_io(u64 offset, unsigned width, u64 value) override {
        device->memory().write_io(place(offset), width, value);
    }
};

class CoprocessorErrorSubject final : public DeviceSubject<CoprocessorError>, private bus::NumericErrorPort {
 public:
    CoprocessorErrorSubject() { device = std::make_unique<CoprocessorError>(resources()); }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override { return 1; }
    void disturb(u8) override { device->numeric_error(); }

 private:
    CoprocessorError::Resources resources() { return {line, *this}; }
    Result<std::unique_ptr<CoprocessorError>> make(const bus::SavedState& state) override {
        return CoprocessorError::restore(resources(), state);
    }
    void ignore_numeric_error() override {}
};

}  // namespace

std::unique_ptr<Subject> make_uart() { return std::make_unique<UartSubject>(); }
std::unique_ptr<Subject> make_i8042() { return std::make_unique<I8042Subject>(); }
std::unique_ptr<Subject> make_fw_cfg() { return std::make_unique<FwCfgSubject>(); }
std::unique_ptr<Subject> make_vmware_pointer() { return std::make_unique<VmwarePointerSubject>(); }
std::unique_ptr<Subject> make_debug_port() { return std::make_unique<DebugPortSubject>(); }
std::unique_ptr<Subject> make_debug_exit() { return std::make_unique<DebugExitSubject>(); }
std::unique_ptr<Subject> make_debug_console() { return std::make_unique<DebugConsoleSubject>(); }
std::unique_ptr<Subject> make_coprocessor_error() { return std::make_unique<CoprocessorErrorSubject>(); }
std::unique_ptr<Subject> make_test_device() { return std::make_unique<TestDeviceSubject>(); }

}  // namespace softmetal::fuzz
