// The 82441FX host bridge as software knows it: its identity, and the registers firmware writes (82441FX
// datasheet, ch. 3.2). The programmable attribute map (PAM) decides, in thirteen segments, whether memory
// from 0xc0000 to 0xfffff is RAM or what lies on the buses, for reads and for writes.
#pragma once

#include "devices/pci/pci_function.hpp"

#include <functional>
#include <memory>

namespace softmetal::devices::pci {

/// One segment of the attribute map.
struct ShadowSegment {
    bus::AddressRange range;
    bool reads_ram = false, writes_ram = false;
    bool operator==(const ShadowSegment& other) const {
        return range.first == other.range.first && reads_ram == other.reads_ram &&
               writes_ram == other.writes_ram;
    }
};

class HostBridge final : public PciFunction {
 public:
    /// Told of every segment at first, then of those that change.
    using ShadowControl = std::function<void(const ShadowSegment&)>;

    HostBridge(const Surroundings& surroundings, ShadowControl shadow);
    [[nodiscard]] static Result<std::unique_ptr<HostBridge>> restore(const Surroundings& surroundings,
                                                                     ShadowControl shadow,
                                                                     const bus::SavedState& state);
    [[nodiscard]] std::string_view name() const override { return "host_bridge"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

    /// As firmware leaves it for an operating system: all of it is RAM.
    void shadow_everything();

 private:
    static constexpr unsigned segment_count = 13;
    using Segments = std::array<ShadowSegment, segment_count>;

    void configuration_written(u8 offset, unsigned width) override;
    [[nodiscard]] Segments segments();
    void apply_shadow();

    ShadowControl shadow_;
    Segments applied_;
};

}  // namespace softmetal::devices::pci
