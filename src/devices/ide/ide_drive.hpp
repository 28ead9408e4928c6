// What disks and CD-ROM drives on an IDE cable have in common: the registers, and how data moves through them
// a block at a time, by PIO or by DMA. What a command means is for the kind of drive to say.
//
// A pure state machine: storage is asked for by requests, which somebody fulfils and reports back.
#pragma once

#include "base/result.hpp"
#include "bus/backends/block_store.hpp"
#include "devices/ide/ide_registers.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <vector>

namespace softmetal::devices {
class StateReader;
}

namespace softmetal::devices::ide {

/// What a drive wants of its storage. For a write the data comes along, for a read it is to be brought.
struct StorageRequest {
    enum class Kind : u8 { read, write, flush };
    Kind kind = Kind::flush;
    u64 offset = 0;
    std::vector<std::byte> data;
};

class IdeDrive {
 public:
    virtual ~IdeDrive() = default;
    IdeDrive(const IdeDrive&) = delete;
    IdeDrive& operator=(const IdeDrive&) = delete;

    // --- registers; `high_order` is the device control register's bit
    [[nodiscard]] u8 read(unsigned offset, bool high_order) const;
    /// A register but the command's. Ignored while a command runs.
    void write(unsigned offset, u8 value);
    void command(u8 code);
    [[nodiscard]] u16 read_data();
    void write_data(u16 value);
    [[nodiscard]] bool interrupt() const { return interrupt_; }
    void take_interrupt_back() { interrupt_ = false; }
    /// The bus' reset, software reset, or for ATAPI the command; then the registers hold the drive's
    /// signature.
    virtual void reset();
    void show_signature();
    /// EXECUTE DEVICE DIAGNOSTIC ends; a reset went before.
    void finish_diagnosis() { interrupt_ = true; }

    // --- storage
    /// What to do now; none where nothing is wanted, or it has been taken already.
    [[nodiscard]] std::optional<StorageRequest> take_request();
    /// The outcome of the request taken last; a read's data. Not heard where a reset came between.
    void finish_request(bus::BlockStatus outcome, std::vector<std::byte> data);

    // --- DMA
    enum class Dma : u8 { none, to_memory, from_memory };
    /// Data that waits to be moved now, and which way.
    [[nodiscard]] Dma dma() const;
    [[nodiscard]] std::span<std::byte> dma_data() { return std::span(buffer_).subspan(position_); }
    void dma_moved(std::size_t bytes);
    /// Will the command that runs move more by DMA?
    [[nodiscard]] bool wants_dma() const {
        return how_ == Movement::dma && (phase_ == Phase::reading || dma() != Dma::none || left_ != 0);
    }

    [[nodiscard]] nlohmann::json save() const;
    [[nodiscard]] Result<> restore(const nlohmann::json& fields);

 protected:
    IdeDrive() = default;

    /// Registers as a command sees them; `before` are the values written before the last.
    struct File {
        u8 features = 0, count = 0, lba_low = 0, lba_mid = 0, lba_high = 0, device = 0;
        struct {
            u8 count = 0, lba_low = 0, lba_mid = 0, lba_high = 0;
        } before;
    };
    [[nodiscard]] File& file() { return file_; }
    [[nodiscard]] const File& file() const { return file_; }

    // --- for commands to begin and end with
    void succeed();
    void fail_with(u8 error_bits);
    void set_status(u8 status) { status_ = status; }
    void set_error(u8 error_bits) { error_ = error_bits; }
    void raise_interrupt() { interrupt_ = true; }

    enum class Movement : u8 { pio, dma };
    /// `data` goes to the host, in blocks of `block` bytes.
    void send(std::vector<std::byte> data, Movement how, std::size_t block);
    /// `bytes` of storage from `offset` on go to the host.
    void send_stored(u64 offset, u64 bytes, Movement how, std::size_t block);
    /// `bytes` come from the host to storage. With `durable` they are flushed before the command succeeds.
    void receive_stored(u64 offset, u64 bytes, Movement how, std::size_t block, bool durable);
    void flush();
    /// A packet is to come; packet_received() has it.
    void want_packet();

    /// What just moved went to the host by PIO.
    [[nodiscard]] bool pio_to_host() const { return to_host_ && how_ == Movement::pio; }

    // --- hooks
    virtual void execute(u8 code) = 0;
    virtual void packet_received(std::span<const std::byte>) {}
    /// The last byte of a command's data has moved.
    virtual void transfer_done() = 0;
    /// A block is about to be offered to the host, or wanted from it.
    virtual void block_begins(std::size_t) {}
    virtual void storage_failed() { fail_with(error::uncorrectable); }
    [[nodiscard]] virtual u8 idle_status() const { return status::ready | status::seek_complete; }
    [[nodiscard]] virtual u16 signature() const = 0;  // of lba_mid and lba_high
    virtual void save_kind(nlohmann::json& fields) const = 0;
    virtual void restore_kind(StateReader& in) = 0;

 private:
    /// Of the storage that a command still has to move, at most so much at a time.
    static constexpr u64 chunk_bytes = 64 << 10;

    enum class Phase : u8 {
        idle,
        reading,  // storage brings the buffer
        writing,  // storage takes it
        flushing,
        data_to_host,
        data_from_host,
        packet,
    };
    [[nodiscard]] bool waits_for_storage() const {
        return phase_ == Phase::reading || phase_ == Phase::writing || phase_ == Phase::flushing;
    }
    void begin_chunk();
    void begin_block(bool with_interrupt);
    void chunk_moved();
    void wait_for_storage(Phase phase);

    File file_;
    u8 status_ = 0, error_ = 0;
    bool interrupt_ = false;

    Phase phase_ = Phase::idle;
    Movement how_ = Movement::pio;
    bool to_host_ = true, durable_ = false;
    u64 offset_ = 0, left_ = 0;  // of storage, without what is in the buffer
    u64 block_ = sector_bytes;
    std::vector<std::byte> buffer_;
    u64 position_ = 0, block_end_ = 0;
    bool requested_ = false;  // the request that the phase needs is under way
    bool stale_ = false;      // and a reset has come since
};

}  // namespace softmetal::devices::ide
