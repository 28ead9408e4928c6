#include "devices/virtio/virtio_pci.hpp"

#include "base/bits.hpp"
#include "devices/pci/pci_registers.hpp"
#include "devices/state_reader.hpp"

#include <array>

namespace softmetal::devices::virtio {

namespace {

using namespace pci_transport;

pci::Identity identity(const Model& model) {
    return {.vendor = vendor,
            .device = static_cast<u16>(device_base + model.type()),
            .revision = 1,
            .class_code = model.pci_class(),
            .subsystem_vendor = vendor,
            .subsystem = static_cast<u16>(device_base + model.type())};
}

/// A vector for each queue and one for configuration changes.
unsigned vectors(const Model& model) { return static_cast<unsigned>(model.queue_sizes().size()) + 1; }

// Offsets inside a virtio capability (ch. 4.1.4), whose first two bytes are the list's.
constexpr u8 capability_bar = 4, capability_offset = 8, capability_length = 12, capability_data = 16;

}  // namespace

VirtioPci::VirtioPci(const pci::Surroundings& surroundings, std::unique_ptr<Model> model)
    : PciFunction(identity(*model), surroundings),
      model_(std::move(model)),
      configuration_bytes_(model_->configuration().size()),
      msix_(configuration(), vectors(*model_), 0, msix_table_offset, msix_pending_offset,
            surroundings.messages),
      common_(model_->features() | feature::version_1 | feature::indirect_descriptors, model_->queue_sizes(),
              vectors(*model_), dma()) {
    add_bar(0, pci::BarKind::memory_32, bar_size, *this);
    add_structure_capability(capability_common, common_offset, common::size);
    add_structure_capability(capability_notify, notify_offset, common_.queue_count() * notify_multiplier);
    add_structure_capability(capability_isr, isr_offset, 1);
    // Only where the device has one (VIRTIO 1.2, ch. 4.1.4.6): Linux refuses a device whose is empty.
    if (configuration_bytes_ != 0)
        add_structure_capability(capability_device, device_offset, configuration_bytes_);
    add_structure_capability(capability_pci_access, 0, 0);
    model_->connect(*this);
}

void VirtioPci::add_structure_capability(u8 type, u64 offset, u64 length) {
    std::array<u8, 18> body{};
    const bool longer = type == capability_notify || type == capability_pci_access;
    const unsigned body_size = longer ? 18 : 14;
    body[0] = static_cast<u8>(body_size + 2);
    body[1] = type;
    for (unsigned i = 0; i < 4; ++i) {
        body[capability_offset - 2 + i] = static_cast<u8>(offset >> (8 * i));
        body[capability_length - 2 + i] = static_cast<u8>(length >> (8 * i));
        if (type == capability_notify)
            body[capability_data - 2 + i] = static_cast<u8>(notify_multiplier >> (8 * i));
    }
    const u8 at =
        configuration().add_capability(pci::capability::vendor_specific, std::span(body).first(body_size));
    if (type != capability_pci_access) return;
    pci_access_capability_ = at;
    configuration().define(static_cast<u8>(at + capability_bar), 1, 0, 0xff);
    configuration().define(static_cast<u8>(at + capability_offset), 4, 0, ~0u);
    configuration().define(static_cast<u8>(at + capability_length), 4, 0, ~0u);
    configuration().define(static_cast<u8>(at + capability_data), 4, 0, ~0u);
}

VirtioPci::~VirtioPci() {
    std::unique_lock lock(mutex_);
    resetting_ = true;
    model_->drain(lock);
}

void VirtioPci::reset() {
    {
        std::unique_lock lock(mutex_);
        reset_device(lock);
    }
    msix_.reset();
    reset_configuration();
}

void VirtioPci::reset_device(std::unique_lock<std::mutex>& lock) {
    resetting_ = true;  // what is in flight finishes on the backend, but touches the guest no more
    model_->drain(lock);
    model_->reset();
    common_.reset();
    interrupt_status_ = 0;
    set_interrupt_pin(false);
    resetting_ = false;
}

// --- requests

std::optional<Chain> VirtioPci::pop(unsigned queue) {
    if (!running()) return {};
    auto chain = common_.queue(queue).pop();
    if (!chain && common_.queue(queue).broken()) stop();
    return chain;
}

void VirtioPci::complete(unsigned queue, std::span<const Virtqueue::Used> requests) {
    if (!running()) return;
    Virtqueue& ring = common_.queue(queue);
    ring.push(requests);
    if (ring.interrupt_wanted()) interrupt(isr::queue, common_.queue_vector(queue));
    if (ring.broken()) stop();
}

void VirtioPci::configuration_changed() {
    common_.count_configuration_change();
    if (running()) interrupt(isr::configuration, common_.config_vector());
}

void VirtioPci::stop() {
    if (common_.needs_reset()) return;
    common_.set_needs_reset();
    if (common_.driver_ok()) interrupt(isr::configuration, common_.config_vector());
}

void VirtioPci::interrupt(u8 cause, u16 vector) {
    if (msix_.enabled()) return msix_.send(vector);
    interrupt_status_ |= cause;
    set_interrupt_pin(true);
}

void VirtioPci::notified(u64 queue) {
    if (queue < common_.queue_count() && running()) model_->process(*this, static_cast<unsigned>(queue));
}

// --- registers

u8 VirtioPci::take_interrupt_status() {
    set_interrupt_pin(false);
    return std::exchange(interrupt_status_, u8{0});
}

u64 VirtioPci::read_device_configuration(u64 offset, unsigned width) const {
    const std::vector<u8> bytes = model_->configuration();
    u64 value = 0;
    for (unsigned i = 0; i < width && offset + i < bytes.size(); ++i)
        value |= u64{bytes[offset + i]} << (8 * i);
    return value;
}

u64 VirtioPci::read_io(u64 offset, unsigned width) {
    const u64 within = offset % structure_size;
    if (offset >= msix_pending_offset) return msix_.read_pending(offset - msix_pending_offset, width);
    if (offset >= msix_table_offset) return msix_.read_table(offset - msix_table_offset, width);
    const std::lock_guard lock(mutex_);
    switch (offset - within) {
        case common_offset:
            return width == 8 ? common_.read(within) | u64{common_.read(within + 4)} << 32
                              : common_.read(within);
        case isr_offset: return within == 0 ? take_interrupt_status() : 0;
        case device_offset: return read_device_configuration(within, width);
        default: return 0;
    }
}

void VirtioPci::write_io(u64 offset, unsigned width, u64 value) {
    const u64 within = offset % structure_size;
    if (offset >= msix_pending_offset) return;
    if (offset >= msix_table_offset) return msix_.write_table(offset - msix_table_offset, width, value);
    if (offset - within == common_offset) {
        write_common(within, static_cast<u32>(value));
        if (width == 8) write_common(within + 4, static_cast<u32>(value >> 32));
        return;
    }
    const std::lock_guard lock(mutex_);
    if (offset - within == device_offset && within + width <= configuration_bytes_)
        return model_->write_configuration(within, width, value);
    if (offset - within == notify_offset && within % notify_multiplier == 0)
        notified(within / notify_multiplier);
}

void VirtioPci::write_common(u64 offset, u32 value) {
    std::unique_lock lock(mutex_);
    if (resetting_) return;
    switch (common_.write(offset, value)) {
        case CommonConfig::Event::reset: reset_device(lock); break;
        case CommonConfig::Event::ready:
            for (unsigned i = 0; i < common_.queue_count(); ++i) notified(i);
            break;
        case CommonConfig::Event::stopped:
        case CommonConfig::Event::none: break;
    }
}

// --- the window in configuration space (ch. 4.1.4.9): BAR accesses for firmware that has not mapped BARs yet

bool VirtioPci::pci_access_touched(u8 offset, unsigned width) const {
    const unsigned data = pci_access_capability_ + capability_data;
    return offset < data + 4 && offset + width > data;
}

namespace {

struct Window {
    u64 offset = 0;
    unsigned width = 0;
};

/// None where the capability's fields name no access that is allowed.
std::optional<Window> window(const pci::ConfigSpace& configuration, u8 capability) {
    const auto field = [&](u8 at, unsigned width) {
        return configuration.read(static_cast<u8>(capability + at), width);
    };
    const u32 offset = field(capability_offset, 4), width = field(capability_length, 4);
    const bool allowed = field(capability_bar, 1) == 0 && (width == 1 || width == 2 || width == 4) &&
                         offset % width == 0 && offset < bar_size;
    if (!allowed) return {};
    return Window{offset, width};
}

}  // namespace

void VirtioPci::refresh_configuration(u8 offset, unsigned width) {
    if (!pci_access_touched(offset, width)) return;
    const auto access = window(configuration(), pci_access_capability_);
    if (!access) return;
    configuration().set(static_cast<u8>(pci_access_capability_ + capability_data), 4,
                        static_cast<u32>(read_io(access->offset, access->width)));
}

void VirtioPci::configuration_written(u8 offset, unsigned width) {
    msix_.follow(configuration());
    if (!pci_access_touched(offset, width)) return;
    const auto access = window(configuration(), pci_access_capability_);
    if (!access) return;
    const u32 data = configuration().read(static_cast<u8>(pci_access_capability_ + capability_data), 4);
    write_io(access->offset, access->width, data & low_bits(8 * access->width));
}

// --- state

bus::SavedState VirtioPci::save() const {
    std::unique_lock lock(mutex_);
    model_->drain(lock);
    nlohmann::json fields{{"common", common_.save()},
                          {"interrupt_status", interrupt_status_},
                          {"model", model_->save()},
                          {"msix", msix_.save()}};
    lock.unlock();  // a lock of the configuration space comes before this one
    fields["configuration"] = save_configuration();
    return {.schema = "virtio_pci", .version = 1, .fields = std::move(fields)};
}

Result<std::unique_ptr<VirtioPci>> VirtioPci::restore(const pci::Surroundings& surroundings,
                                                      std::unique_ptr<Model> model,
                                                      const bus::SavedState& state) {
    StateReader in(state, "virtio_pci", 1);
    const u8 interrupt_status = in.number<u8>("interrupt_status", isr::queue | isr::configuration);
    const nlohmann::json& common_fields = in.part("common");
    const nlohmann::json& model_fields = in.part("model");
    const nlohmann::json& msix_fields = in.part("msix");
    const nlohmann::json& configuration_fields = in.part("configuration");
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    if (auto ok = model->restore(model_fields); !ok) return std::unexpected(ok.error());

    auto restored = std::make_unique<VirtioPci>(surroundings, std::move(model));
    restored->interrupt_status_ = interrupt_status;
    if (auto ok = restored->common_.restore(common_fields); !ok) return std::unexpected(ok.error());
    if (auto ok = restored->msix_.restore(msix_fields); !ok) return std::unexpected(ok.error());
    if (auto ok = restored->restore_configuration(configuration_fields); !ok)
        return std::unexpected(ok.error());
    restored->msix_.follow(restored->configuration());
    return restored;
}

}  // namespace softmetal::devices::virtio
