// The board's devices one by one, each with all that a guest and the board can do to it, over stand-ins for
// its surroundings. For the targets that treat all devices alike.
#pragma once

#include "../unit/devices/fakes.hpp"
#include "bus/device.hpp"

#include <memory>
#include <vector>

namespace softmetal::fuzz {

/// One device of a kind, together with what it is wired to.
class Subject {
 public:
    virtual ~Subject() = default;
    /// Its register blocks, and how many bytes each decodes.
    [[nodiscard]] virtual std::vector<bus::IoHandler*> registers() = 0;
    [[nodiscard]] virtual u64 register_bytes() const = 0;
    /// Something that comes from outside: a line moves, bytes arrive, a button is pressed.
    virtual void disturb(u8 how) = 0;
    [[nodiscard]] virtual bus::SavedState save() = 0;
    /// Replaces the device by one with this state; false, and the device as it was, where that is refused.
    [[nodiscard]] virtual bool restore(const bus::SavedState& state) = 0;

    devices::testing::FakeClock clock;
    devices::testing::FakeTimerFactory timers{clock};
};

// One of each kind, by families: interrupt_subjects.cpp and its like.
[[nodiscard]] std::unique_ptr<Subject> make_pic();
[[nodiscard]] std::unique_ptr<Subject> make_pit();
[[nodiscard]] std::unique_ptr<Subject> make_rtc();
[[nodiscard]] std::unique_ptr<Subject> make_uart();
[[nodiscard]] std::unique_ptr<Subject> make_i8042();
[[nodiscard]] std::unique_ptr<Subject> make_acpi_pm();
[[nodiscard]] std::unique_ptr<Subject> make_debug_port();
[[nodiscard]] std::unique_ptr<Subject> make_io_apic();
[[nodiscard]] std::unique_ptr<Subject> make_local_apic();
[[nodiscard]] std::unique_ptr<Subject> make_fw_cfg();
[[nodiscard]] std::unique_ptr<Subject> make_host_bridge();
[[nodiscard]] std::unique_ptr<Subject> make_isa_bridge();
[[nodiscard]] std::unique_ptr<Subject> make_power_management();
[[nodiscard]] std::unique_ptr<Subject> make_ide();
[[nodiscard]] std::unique_ptr<Subject> make_vga();
[[nodiscard]] std::unique_ptr<Subject> make_e1000();
[[nodiscard]] std::unique_ptr<Subject> make_dma();
[[nodiscard]] std::unique_ptr<Subject> make_floppy();
[[nodiscard]] std::unique_ptr<Subject> make_vmware_pointer();
[[nodiscard]] std::unique_ptr<Subject> make_hpet();
[[nodiscard]] std::unique_ptr<Subject> make_debug_exit();
[[nodiscard]] std::unique_ptr<Subject> make_debug_console();
[[nodiscard]] std::unique_ptr<Subject> make_test_device();
[[nodiscard]] std::unique_ptr<Subject> make_coprocessor_error();

using MakeSubject = std::unique_ptr<Subject> (*)();
/// All kinds. The order is what the kept inputs mean, whose first byte picks one: new ones go to the end.
inline constexpr MakeSubject subjects[] = {make_pic,
                                           make_pit,
                                           make_rtc,
                                           make_uart,
                                           make_i8042,
                                           make_acpi_pm,
                                           make_debug_port,
                                           make_io_apic,
                                           make_local_apic,
                                           make_fw_cfg,
                                           make_host_bridge,
                                           make_isa_bridge,
                                           make_power_management,
                                           make_ide,
                                           make_vga,
                                           make_e1000,
                                           make_dma,
                                           make_floppy,
                                           make_vmware_pointer,
                                           make_hpet,
                                           make_debug_exit,
                                           make_debug_console,
                                           make_test_device,
                                           make_coprocessor_error};

}  // namespace softmetal::fuzz
