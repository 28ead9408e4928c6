// The floppy disk controller's registers and commands. Data moves by DMA only; sectors are asked for by
// requests, which somebody fulfils. Heads move at once.
#pragma once

#include "bus/backends/block_store.hpp"
#include "bus/isa_dma.hpp"
#include "devices/floppy/floppy_medium.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <vector>

namespace softmetal::devices {
class StateReader;
}

namespace softmetal::devices::floppy {

struct Drive {
    Format format;
    bool write_protected = false;
};

class FloppyChip {
 public:
    using Drives = std::array<std::optional<Drive>, drive_count>;
    explicit FloppyChip(const Drives& drives) : drives_(drives) {}

    // --- registers
    [[nodiscard]] u8 read(unsigned offset);
    void write(unsigned offset, u8 value);
    [[nodiscard]] u8 read_digital_input() const;
    void write_configuration_control(u8 value) { rate_ = value & rate; }
    [[nodiscard]] bool interrupt() const { return interrupt_ && (output_ & output::dma_gate); }
    void reset();

    // --- storage and DMA
    struct Request {
        unsigned drive = 0;
        bool is_write = false;
        u64 offset = 0;
        std::vector<std::byte> data;
    };
    /// What a data command needs next; a write's bytes are taken from the channel.
    [[nodiscard]] std::optional<Request> take_request(bus::IsaDmaChannel& dma);
    void finish_request(bus::BlockStatus outcome, std::span<const std::byte> data, bus::IsaDmaChannel& dma);

    [[nodiscard]] nlohmann::json save() const;
    void restore(StateReader& in);

 private:
    enum class Phase : u8 { command, execution, result };
    struct Address {
        u8 cylinder = 0, head = 0, sector = 1;
    };

    [[nodiscard]] static unsigned parameters_of(u8 code);
    [[nodiscard]] u8 main_status() const;
    void write_fifo(u8 value);
    [[nodiscard]] u8 read_fifo();
    void execute();
    void result(std::initializer_list<u8> bytes);
    /// Ends a data command with its seven bytes and the interrupt.
    void end_transfer(u8 status0, u8 status1, u8 status2);
    void raise(u8 status0, unsigned drive);

    void seek(unsigned drive, u8 cylinder, bool recalibrates);
    void sense_interrupt();
    void sense_drive();
    void read_id();
    void begin_transfer();
    void format_track();
    [[nodiscard]] const Drive* medium() const;
    /// Why the head finds no sector there; 0 where it does.
    [[nodiscard]] u8 unreadable() const;
    [[nodiscard]] u64 sectors_ahead() const;
    [[nodiscard]] u64 offset_of(Address a) const;
    void step(u64 sectors);

    Drives drives_;
    u8 output_ = output::not_reset | output::dma_gate, tape_ = 0, rate_ = 2;
    bool interrupt_ = false;
    Phase phase_ = Phase::command;
    std::array<u8, 9> command_{};
    unsigned received_ = 0;
    std::array<u8, 10> result_{};
    unsigned result_size_ = 0, result_read_ = 0;

    std::array<u8, drives_addressable> cylinder_{};
    std::array<bool, drives_addressable> changed_{true, true, true, true};
    std::array<u8, drives_addressable>
        sense_{};  // status 0 of interrupts that nobody has asked about; 0: none
    std::array<u8, 3> configuration_{};
    u8 step_rate_ = 0, head_load_ = 0, perpendicular_ = 0;
    bool locked_ = false;

    // A data command on its way.
    unsigned drive_ = 0;
    Address at_;
    bool writes_ = false, terminal_ = false;
    bool requested_ = false, stale_ = false;
};

}  // namespace softmetal::devices::floppy
