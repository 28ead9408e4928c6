// The PIIX's IDE function: two channels at their legacy ports and interrupts, and their bus masters behind
// one base address register. Each drive's storage is a block store.
#pragma once

#include "bus/backends/block_store.hpp"
#include "devices/byte_ports.hpp"
#include "devices/ide/ide_channel.hpp"
#include "devices/line_driver.hpp"
#include "devices/pci/pci_function.hpp"

#include <condition_variable>
#include <memory>
#include <string>

namespace softmetal::devices::ide {

enum class DriveKind : u8 { disk, cdrom };

/// What is in one place of a cable. A CD-ROM drive without a store is empty.
struct DriveSlot {
    DriveKind kind = DriveKind::disk;
    bus::BlockStore* store = nullptr;  // outlives the device
    std::string serial = {};
};

class PiixIde final : public pci::PciFunction {
 public:
    static constexpr unsigned channel_count = 2, drives_a_channel = 2, drive_count = 4;
    struct Resources {
        std::array<bus::InterruptLine*, channel_count> interrupts{};  // IRQ 14 and 15
        /// Primary first and second, secondary first and second.
        std::array<std::optional<DriveSlot>, drive_count> drives{};
    };

    PiixIde(const pci::Surroundings& surroundings, const Resources& resources);
    ~PiixIde() override;
    [[nodiscard]] static Result<std::unique_ptr<PiixIde>> restore(const pci::Surroundings& surroundings,
                                                                  const Resources& resources,
                                                                  const bus::SavedState& state);

    /// As firmware leaves it for an operating system: both channels decode their legacy ports.
    void enable_channels();

    [[nodiscard]] std::string_view name() const override { return "piix_ide"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    struct Channel;
    class CommandBlock;
    class BusMasters;
    struct Job;

    void configuration_written(u8 offset, unsigned width) override;
    void apply_decoding();
    void map(Channel& channel, bool decoded);
    /// Does what a change of the channel's state asks for: data is moved, storage is asked. Its lock is held.
    void pump(Channel& channel);
    void submit(Channel& channel, IdeChannel::Wish wish);
    template <class Access>
    auto with(Channel& channel, Access access);
    static void drain(Channel& channel, std::unique_lock<std::mutex>& lock);

    bus::AddressSpace& ports_;
    const Resources resources_;
    std::array<std::unique_ptr<Channel>, channel_count> channels_;
    std::unique_ptr<BusMasters> bus_masters_;
};

}  // namespace softmetal::devices::ide
