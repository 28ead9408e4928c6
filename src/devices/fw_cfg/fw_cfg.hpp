// The firmware configuration device, by which firmware and test kernels ask the machine what it is made of: a
// key selects an item, whose bytes are then read one after another, or copied to guest memory at once.
#pragma once

#include "base/result.hpp"
#include "bus/address_space.hpp"
#include "bus/device.hpp"
#include "bus/dma.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace softmetal::devices {

/// What the machine tells. Made by the board, not part of the saved state.
class FwCfgItems {
 public:
    struct Machine {
        u64 ram_bytes = 0;
        u16 cpus = 1;
        bool boot_menu = false;  // firmware is to ask what to boot
    };
    explicit FwCfgItems(const Machine& machine);

    /// A named item: "etc/...". Fails where the name is too long or taken.
    [[nodiscard]] Result<> add_file(std::string_view name, std::vector<u8> content);

    /// What a boot program loads, behind its three keys.
    struct Loadable {
        u16 address_key, size_key, data_key;
        u32 address;
        std::vector<u8> bytes;
    };
    void add_loadable(Loadable part);

    /// The bytes behind a key; empty where there is nothing.
    [[nodiscard]] const std::vector<u8>& at(u16 key) const;

 private:
    struct File {
        std::string name;
        u16 key = 0;
    };
    void write_directory();

    std::map<u16, std::vector<u8>> items_;
    std::vector<File> files_;
};

class FwCfg final : public bus::IoHandler, public bus::Device {
 public:
    FwCfg(FwCfgItems items, bus::DmaView& memory) : items_(std::move(items)), memory_(memory) {}
    [[nodiscard]] static Result<std::unique_ptr<FwCfg>> restore(FwCfgItems items, bus::DmaView& memory,
                                                                const bus::SavedState& saved);

    [[nodiscard]] u64 read_io(u64 offset, unsigned width) override;
    void write_io(u64 offset, unsigned width, u64 value) override;

    [[nodiscard]] std::string_view name() const override { return "fw_cfg"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    [[nodiscard]] u8 next_byte();
    void select(u16 key);
    void transfer(GuestPhysical where);
    [[nodiscard]] bool copy_to(GuestPhysical to, u32 length);

    const FwCfgItems items_;
    bus::DmaView& memory_;
    mutable std::mutex mutex_;
    u16 key_ = 0;
    u32 position_ = 0;
    u64 dma_address_ = 0;
};

}  // namespace softmetal::devices
