// A virtio device on the PCI bus: the modern transport (VIRTIO 1.2, ch. 4.1) around a model.
//
// One lock covers the registers, the queues and the model. Backend threads complete requests with it held.
#pragma once

#include "devices/pci/msix.hpp"
#include "devices/pci/pci_function.hpp"
#include "devices/virtio/common_config.hpp"
#include "devices/virtio/model.hpp"

#include <memory>

namespace softmetal::devices::virtio {

class VirtioPci final : public pci::PciFunction, private bus::IoHandler, private Transport {
 public:
    VirtioPci(const pci::Surroundings& surroundings, std::unique_ptr<Model> model);
    [[nodiscard]] static Result<std::unique_ptr<VirtioPci>> restore(const pci::Surroundings& surroundings,
                                                                    std::unique_ptr<Model> model,
                                                                    const bus::SavedState& state);
    /// Waits for requests in flight.
    ~VirtioPci() override;

    [[nodiscard]] std::string_view name() const override { return model_->name(); }
    void reset() override;
    /// Waits until every request the driver has made is answered: guest memory and interrupt controllers
    /// change meanwhile, so they are saved after this device.
    [[nodiscard]] bus::SavedState save() const override;

 private:
    // bus::IoHandler: BAR 0
    [[nodiscard]] u64 read_io(u64 offset, unsigned width) override;
    void write_io(u64 offset, unsigned width, u64 value) override;
    // Transport
    [[nodiscard]] std::mutex& mutex() override { return mutex_; }
    [[nodiscard]] bool running() const override { return common_.running() && !resetting_; }
    [[nodiscard]] u64 accepted_features() const override { return common_.accepted_features(); }
    [[nodiscard]] bus::DmaView& memory() override { return dma(); }
    [[nodiscard]] std::optional<Chain> pop(unsigned queue) override;
    void put_back(unsigned queue, u16 count) override { common_.queue(queue).put_back(count); }
    void complete(unsigned queue, std::span<const Virtqueue::Used> requests) override;
    void configuration_changed() override;
    void stop() override;
    // PciFunction
    void refresh_configuration(u8 offset, unsigned width) override;
    void configuration_written(u8 offset, unsigned width) override;

    void add_structure_capability(u8 type, u64 offset, u64 length);
    [[nodiscard]] bool pci_access_touched(u8 offset, unsigned width) const;
    [[nodiscard]] u64 read_device_configuration(u64 offset, unsigned width) const;
    [[nodiscard]] u8 take_interrupt_status();
    void write_common(u64 offset, u32 value);
    void notified(u64 queue);
    void interrupt(u8 cause, u16 vector);
    /// Nothing is in flight afterwards and all registers are as after power-up.
    void reset_device(std::unique_lock<std::mutex>& lock);

    const std::unique_ptr<Model> model_;
    const u64 configuration_bytes_;
    pci::Msix msix_;
    u8 pci_access_capability_ = 0;

    mutable std::mutex mutex_;
    CommonConfig common_;
    u8 interrupt_status_ = 0;
    bool resetting_ = false;
};

}  // namespace softmetal::devices::virtio
