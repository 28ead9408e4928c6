#include "devices/pci/host_bridge.hpp"

#include "devices/state_reader.hpp"

namespace softmetal::devices::pci {

namespace {

/// The subsystem is what firmware for virtual machines takes for one.
constexpr Identity identity{.vendor = 0x8086,
                            .device = 0x1237,
                            .revision = 2,
                            .class_code = 0x060000,
                            .subsystem_vendor = 0x1af4,
                            .subsystem = 0x1100};
constexpr u8 pam0 = 0x59, pam_registers = 7;  // programmable attribute map, 0x59 to 0x5f
constexpr u8 attribute_read = 1, attribute_write = 2;
constexpr u8 all_ram = 0x33;
constexpr u8 smram = 0x72;

// The upper nibble of PAM0 is the BIOS area of 64 KiB; PAM1 to PAM6 have two segments of 16 KiB each.
constexpr bus::AddressRange bios_area{0xf0000, 0x10000};
constexpr u64 first_segment = 0xc0000, segment_size = 0x4000;

}  // namespace

HostBridge::HostBridge(const Surroundings& surroundings, ShadowControl shadow)
    : PciFunction(identity, surroundings), shadow_(std::move(shadow)) {
    configuration().define(pam0, 1, 0, all_ram & 0xf0);
    for (u8 i = 1; i < pam_registers; ++i) configuration().define(static_cast<u8>(pam0 + i), 1, 0, all_ram);
    configuration().define(smram, 1, 0x02, 0x78);
    applied_ = segments();
    for (const ShadowSegment& segment : applied_) shadow_(segment);
}

HostBridge::Segments HostBridge::segments() {
    Segments all;
    for (unsigned i = 0; i < segment_count; ++i) {
        // Nibbles from PAM0's upper one on: the BIOS area comes first.
        const unsigned nibble = i + 1;
        const u32 attributes =
            configuration().read(static_cast<u8>(pam0 + nibble / 2), 1) >> (nibble % 2 * 4);
        all[i] = {
            i == 0 ? bios_area : bus::AddressRange{first_segment + (i - 1) * segment_size, segment_size},
            (attributes & attribute_read) != 0, (attributes & attribute_write) != 0};
    }
    return all;
}

void HostBridge::apply_shadow() {
    const Segments wanted = segments();
    for (unsigned i = 0; i < segment_count; ++i)
        if (wanted[i] != applied_[i]) shadow_(wanted[i]);
    applied_ = wanted;
}

void HostBridge::configuration_written(u8 offset, unsigned width) {
    if (offset + width > pam0 && offset < pam0 + pam_registers) apply_shadow();
}

void HostBridge::shadow_everything() {
    for (u8 i = 0; i < pam_registers; ++i) write_configuration(static_cast<u8>(pam0 + i), 1, all_ram);
}

void HostBridge::reset() {
    reset_configuration();
    apply_shadow();
}

bus::SavedState HostBridge::save() const {
    return {.schema = "host_bridge", .version = 1, .fields = {{"configuration", save_configuration()}}};
}

Result<std::unique_ptr<HostBridge>> HostBridge::restore(const Surroundings& surroundings,
                                                        ShadowControl shadow, const bus::SavedState& state) {
    StateReader in(state, "host_bridge", 1);
    auto restored = std::make_unique<HostBridge>(surroundings, std::move(shadow));
    const nlohmann::json& saved = in.part("configuration");
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    if (auto loaded = restored->restore_configuration(saved); !loaded) return std::unexpected(loaded.error());
    restored->apply_shadow();
    return restored;
}

}  // namespace softmetal::devices::pci
