// One IDE cable: up to two drives that listen to the same registers, and the bus master that moves their data
// to and from guest memory. A pure state machine, like the drives.
#pragma once

#include "bus/dma.hpp"
#include "devices/ide/ide_drive.hpp"

#include <memory>

namespace softmetal::devices::ide {

class IdeChannel {
 public:
    using Drives = std::array<std::unique_ptr<IdeDrive>, 2>;
    explicit IdeChannel(Drives drives) : drives_(std::move(drives)) {}

    // --- registers
    [[nodiscard]] u64 read_command_block(u64 offset, unsigned width);
    void write_command_block(u64 offset, unsigned width, u64 value);
    [[nodiscard]] u8 read_alternate_status();
    void write_control(u8 value);
    [[nodiscard]] u8 read_bus_master(unsigned offset) const;
    void write_bus_master(unsigned offset, u8 value);

    /// The interrupt's wire. Also latches it for the bus master's status: after every call that may change
    /// it.
    [[nodiscard]] bool update_interrupt();
    void reset();

    /// Moves what DMA can move now.
    void move_data(bus::DmaView& memory);
    struct Wish {
        unsigned drive = 0;
        StorageRequest request;
    };
    [[nodiscard]] std::optional<Wish> take_request();
    [[nodiscard]] IdeDrive& drive(unsigned number) { return *drives_.at(number); }

    [[nodiscard]] nlohmann::json save() const;
    [[nodiscard]] Result<> restore(const nlohmann::json& fields);

 private:
    [[nodiscard]] IdeDrive* selected() const { return drives_[second_selected_ ? 1 : 0].get(); }
    [[nodiscard]] bool empty() const { return !drives_[0] && !drives_[1]; }
    void diagnose();
    /// The table's next entry into the cursor; false, and the bus master has stopped, where there is none.
    [[nodiscard]] bool next_entry(bus::DmaView& memory);
    void stop_bus_master(bool with_error);

    Drives drives_;
    bool second_selected_ = false;
    u8 control_ = 0;
    bool line_ = false;

    u8 master_command_ = 0, master_status_ = 0;
    u32 table_ = 0;
    // Where the transfer is.
    u32 next_entry_ = 0, address_ = 0, left_ = 0;
    bool last_ = false;
};

}  // namespace softmetal::devices::ide
