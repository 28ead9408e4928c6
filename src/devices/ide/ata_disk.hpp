// An ATA hard disk: 28-bit and 48-bit addresses, cylinders for who still uses them, PIO, multiple sectors and
// DMA, and a write cache that FLUSH CACHE empties.
#pragma once

#include "devices/ide/ide_drive.hpp"

#include <string>

namespace softmetal::devices::ide {

class AtaDisk final : public IdeDrive {
 public:
    /// `serial` is cut to 20 characters.
    AtaDisk(u64 sectors, bool read_only, std::string serial);

    void reset() override;

 private:
    struct Geometry {
        u16 cylinders = 0;
        u8 heads = 16, sectors = 63;
    };
    struct Range {
        u64 first = 0, count = 0;
    };

    void execute(u8 code) override;
    void transfer_done() override;
    [[nodiscard]] u16 signature() const override { return 0; }
    void save_kind(nlohmann::json& fields) const override;
    void restore_kind(StateReader& in) override;

    void read_sectors(bool wide, Movement how, bool multiple);
    void write_sectors(bool wide, Movement how, bool multiple);
    void verify(bool wide);
    void seek();
    void set_multiple();
    void set_features();
    void set_transfer_mode();
    void initialize_parameters();
    void report_native_maximum(bool wide);
    void identify();

    [[nodiscard]] Geometry default_geometry() const;
    /// What the registers name; none, and the command has failed, where that is not on the disk.
    [[nodiscard]] std::optional<Range> addressed(bool wide);

    static constexpr u8 multiple_max = 16;

    const u64 sectors_;
    const bool read_only_;
    const std::string serial_;
    Geometry geometry_;
    u8 multiple_ = 0;  // sectors a block of READ and WRITE MULTIPLE; 0: not set
    bool write_cache_ = true;
    u8 ultra_mode_ = 5, multiword_mode_ = none_selected;
    static constexpr u8 none_selected = 0xff;
};

}  // namespace softmetal::devices::ide
