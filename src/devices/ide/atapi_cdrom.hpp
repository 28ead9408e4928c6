// An ATAPI CD-ROM drive with one data track (ATA/ATAPI-7 PACKET feature set; MMC-5).
#pragma once

#include "devices/ide/ide_drive.hpp"

namespace softmetal::devices::ide {

class AtapiCdrom final : public IdeDrive {
 public:
    /// `bytes` of a medium, a whole number of blocks; none: the tray holds nothing.
    explicit AtapiCdrom(std::optional<u64> bytes);

    void reset() override;

 private:
    using Packet = std::span<const std::byte>;

    void execute(u8 code) override;
    void packet_received(Packet packet) override;
    void transfer_done() override;
    void block_begins(std::size_t bytes) override;
    void storage_failed() override { check(sense::read_error); }
    [[nodiscard]] u8 idle_status() const override { return status::ready; }
    [[nodiscard]] u16 signature() const override { return 0xeb14; }
    void save_kind(nlohmann::json& fields) const override;
    void restore_kind(StateReader& in) override;

    void identify_packet();
    void dispatch(Packet packet);
    /// Ends the packet command well, or with CHECK CONDITION.
    void good();
    void check(Sense sense);
    /// Sends at most what the host has room for.
    void answer(std::vector<std::byte> data, std::size_t room);
    void read_blocks(u64 first, u64 count);
    void read_cd(Packet packet);
    void inquiry(Packet packet);
    void request_sense(Packet packet);
    void start_stop(Packet packet);
    void read_capacity();
    void read_toc(Packet packet);
    void get_configuration(Packet packet);
    void get_event_status(Packet packet);
    void read_disc_information(Packet packet);
    void mode_sense(Packet packet);
    [[nodiscard]] bool loaded() const { return blocks_ != 0 && !open_; }

    const u64 blocks_;  // 0: no medium
    bool open_ = false, locked_ = false;
    bool media_event_ = false;
    Sense sense_ = sense::none;
    std::optional<Sense> attention_ = sense::was_reset;
    Movement how_ = Movement::pio;
    u16 byte_limit_ = 0;
};

}  // namespace softmetal::devices::ide
