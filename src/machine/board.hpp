// The board: processors, memory and devices, wired as board_layout.hpp says. It knows no engine and no
// threads.
#pragma once

#include "bus/backends/input.hpp"
#include "bus/backends/screen.hpp"
#include "bus/platform.hpp"
#include "cpu/vcpu.hpp"
#include "machine/boot/boot_screen.hpp"
#include "machine/machine.hpp"
#include "memory/guest_memory.hpp"

#include <memory>
#include <vector>

namespace softmetal::machine {

class Board {
 public:
    /// `platform` hears of power-off and reset. Neither firmware nor kernel is loaded yet.
    [[nodiscard]] static Result<std::unique_ptr<Board>> create(const MachineConfig& config,
                                                               const MachineResources& resources,
                                                               bus::PlatformControl& platform);
    ~Board();
    Board(const Board&) = delete;
    Board& operator=(const Board&) = delete;

    [[nodiscard]] GuestMemory& memory();
    [[nodiscard]] std::vector<std::unique_ptr<Vcpu>>& vcpus();
    void press_power_button();
    // As Machine has them.
    void set_memory_target(u64 bytes);
    [[nodiscard]] MemoryStatus memory_status() const;
    [[nodiscard]] bool ask_guest_about_memory(std::function<void()> answered);
    [[nodiscard]] bus::Screen& screen();
    [[nodiscard]] bus::InputSink& input();

    /// `image` becomes the board's firmware, which the processor begins with.
    [[nodiscard]] Result<> install_firmware(std::span<const std::byte> image);

    /// Brings the board into the state in which firmware hands over to an operating system's loader:
    /// RAM below 1 MiB, interrupt controllers in virtual wire mode, PCI functions configured.
    [[nodiscard]] Result<> hand_over_as_firmware();
    /// After that: the display adapter shows an empty frame buffer.
    [[nodiscard]] BootScreen show_boot_screen();

 private:
    struct Parts;
    explicit Board(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace softmetal::machine
