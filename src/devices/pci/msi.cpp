#include "devices/pci/msi.hpp"

#include "base/bits.hpp"
#include "devices/pci/pci_registers.hpp"
#include "devices/state_reader.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace softmetal::devices::pci {
namespace {

namespace control {
constexpr u16 enable = 1u << 0;
constexpr unsigned capable_shift = 1;  // binary logarithm of the vectors
constexpr unsigned allowed_shift = 4;  // and of those that software allows
constexpr u16 allowed = 7u << allowed_shift;
constexpr u16 wide = 1u << 7;
constexpr u16 maskable = 1u << 8;
}  // namespace control

// Offsets in the capability; those behind the address are 4 higher where that has 64 bits.
constexpr unsigned control_offset = 2, address_offset = 4, address_high_offset = 8;
constexpr unsigned data_offset = 8, mask_offset = 12, pending_offset = 16;
constexpr unsigned wider(const Msi::Form& form) { return form.wide ? 4 : 0; }

constexpr u32 vector_bits(const Msi::Form& form) { return static_cast<u32>(low_bits(form.vectors)); }

}  // namespace

Msi::Msi(ConfigSpace& configuration, const Form& form, bus::InterruptMessageSink& sink)
    : form_(form), sink_(sink) {
    const unsigned size = (form.maskable ? 20 : 10) + wider(form);
    constexpr std::array<u8, 24> zeros{};
    capability_ = configuration.add_capability(capability::msi, std::span(zeros).first(size - 2));
    const unsigned capable = static_cast<unsigned>(std::countr_zero(form.vectors));
    configuration.define(at(control_offset), 2,
                         capable << control::capable_shift | (form.wide ? control::wide : 0u) |
                             (form.maskable ? control::maskable : 0u),
                         control::enable | control::allowed);
    configuration.define(at(address_offset), 4, 0, ~3u);
    if (form.wide) configuration.define(at(address_high_offset), 4, 0, ~0u);
    configuration.define(at(data_offset + wider(form)), 2, 0, 0xffff);
    if (!form.maskable) return;
    configuration.define(at(mask_offset + wider(form)), 4, 0, vector_bits(form));
    // Software cannot write these: follow() puts them back. But a saved configuration space may have them.
    configuration.define(at(pending_offset + wider(form)), 4, 0, vector_bits(form));
}

bool Msi::enabled() const {
    const std::lock_guard lock(mutex_);
    return enabled_;
}

void Msi::send(unsigned vector) {
    const std::lock_guard lock(mutex_);
    if (!enabled_ || vector >= form_.vectors) return;
    pending_ |= static_cast<u32>(bit(std::min(vector, allowed_ - 1)));
    send_unmasked();
}

void Msi::send_unmasked() {
    if (!enabled_) return;
    for (unsigned vector = 0; vector < form_.vectors; vector++) {
        const auto own = static_cast<u32>(bit(vector));
        if (!(pending_ & own) || mask_ & own) continue;
        pending_ &= ~own;
        // The vector's number is in as many of the data's low bits as it takes.
        const u32 data = (data_ & ~(allowed_ - 1)) | (vector & (allowed_ - 1));
        if (address_ >> 32 == 0) sink_.send({.address = static_cast<u32>(address_), .data = data});
    }
}

void Msi::follow(ConfigSpace& configuration) {
    const std::lock_guard lock(mutex_);
    const u32 control = configuration.read(at(control_offset), 2);
    enabled_ = control & control::enable;
    // More than there are is software's mistake.
    allowed_ = std::min(1u << ((control & control::allowed) >> control::allowed_shift), form_.vectors);
    address_ = configuration.read(at(address_offset), 4);
    if (form_.wide) address_ |= u64{configuration.read(at(address_high_offset), 4)} << 32;
    data_ = static_cast<u16>(configuration.read(at(data_offset + wider(form_)), 2));
    if (form_.maskable) mask_ = configuration.read(at(mask_offset + wider(form_)), 4);
    send_unmasked();
    if (form_.maskable) configuration.set(at(pending_offset + wider(form_)), 4, pending_);
}

void Msi::refresh(ConfigSpace& configuration) const {
    if (!form_.maskable) return;
    const std::lock_guard lock(mutex_);
    configuration.set(at(pending_offset + wider(form_)), 4, pending_);
}

void Msi::reset() {
    const std::lock_guard lock(mutex_);
    enabled_ = false;
    allowed_ = 1;
    address_ = 0;
    data_ = 0;
    mask_ = pending_ = 0;
}

/// The registers are saved with the configuration space.
nlohmann::json Msi::save() const {
    const std::lock_guard lock(mutex_);
    return {{"pending", pending_}};
}

Result<> Msi::restore(const nlohmann::json& fields) {
    StateReader in(fields, "MSI");
    const u32 pending = in.number<u32>("pending", form_.maskable ? vector_bits(form_) : 0);
    if (auto read = in.finish(); !read) return read;
    const std::lock_guard lock(mutex_);
    pending_ = pending;
    return {};
}

}  // namespace softmetal::devices::pci
