// The subjects for fuzzing: the interrupt controllers.
#include "device_subject.hpp"
#include "devices/io_apic/io_apic.hpp"
#include "devices/local_apic/local_apic.hpp"
#include "devices/pic8259/pic8259.hpp"

namespace softmetal::fuzz {
namespace {

using namespace devices;
using namespace devices::testing;

class PicSubject final : public DeviceSubject<Pic8259> {
 public:
    PicSubject() { device = std::make_unique<Pic8259>(Pic8259::Resources{line}); }
    std::vector<bus::IoHandler*> registers() override {
        return {&device->master_ports(), &device->slave_ports(), &device->edge_level_ports()};
    }
    u64 register_bytes() const override { return 2; }
    void disturb(u8 how) override {
        if (how & 0x80)
            (void)device->acknowledge();
        else
            device->input(how % 16).set_level(how & 16);
    }

 private:
    Result<std::unique_ptr<Pic8259>> make(const bus::SavedState& state) override {
        return Pic8259::restore({line}, state);
    }
};

class IoApicSubject final : public DeviceSubject<IoApic> {
 public:
    IoApicSubject() { device = std::make_unique<IoApic>(messages_); }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override { return 0x100; }
    void disturb(u8 how) override {
        if (how & 0x80)
            device->end_of_interrupt(static_cast<u8>(how << 1));
        else
            device->pin(how % 24).set_level(how & 32);
    }

 private:
    struct Nowhere final : bus::InterruptMessageSink {
        void send(bus::InterruptMessage) override {}
    };
    Result<std::unique_ptr<IoApic>> make(const bus::SavedState& state) override {
        return IoApic::restore(messages_, state);
    }
    Nowhere messages_;
};

/// Its registers are a page, but not a bus's: this is the way there. MSRs come behind the page.
class LocalApicSubject final : public Subject, private bus::IoHandler, private bus::CpuInterruptPort {
 public:
    LocalApicSubject() {
        device_ = std::make_unique<LocalApic>(resources(*fabric_));
        fabric_->connect(*device_);
    }
    std::vector<bus::IoHandler*> registers() override { return {this}; }
    u64 register_bytes() const override { return msrs + msr_count + 2; }
    void disturb(u8 how) override {
        switch (how & 7) {
            case 0: device_->lint0().set_level(how & 8); break;
            case 1: device_->lint1().set_level(how & 8); break;
            case 2: (void)device_->acknowledge(); break;
            case 3: (void)device_->deliverable(); break;
            case 4: device_->time_stamp_counter_changed(); break;
            default: fabric_->send({0xfee00000, how | (how & 8 ? 0xc000u : 0)}); break;
        }
    }
    bus::SavedState save() override { return device_->save(); }
    bool restore(const bus::SavedState& state) override {
        auto fabric = std::make_unique<InterruptFabric>();
        auto restored = LocalApic::restore(resources(*fabric), state);
        if (!restored) return false;
        fabric->connect(**restored);
        device_ = std::move(*restored);
        fabric_ = std::move(fabric);
        return true;
    }

 private:
    static constexpr u64 msrs = 0x1000, msr_count = 0x100;
    static constexpr u32 tsc_deadline = 0x6e0;

    LocalApic::Resources resources(InterruptFabric& fabric) {
        return {.id = 0,
                .bootstrap = true,
                .physical_address_bits = 46,
                .cpu = *this,
                .clock = clock,
                .timers = timers,
                .fabric = fabric,
                .time_of_tsc = [](u64 tsc) { return tsc; },
                .acknowledge_external = [] { return std::optional<u8>(0x20); }};
    }
    [[nodiscard]] static u32 msr(u64 offset) {
        const u64 n = offset - msrs;
        return n < msr_count ? static_cast<u32>(0x800 + n) : tsc_deadline;
    }
    u64 read_io(u64 offset, unsigned) override {
        if (offset < msrs) return device_->read_register(static_cast<u32>(offset & ~u64{3}));
        return device_->read_msr(msr(offset)).value_or(0);
    }
    void write_io(u64 offset, unsigned width, u64 value) override {
        if (offset < msrs)
            device_->write_register(static_cast<u32>(offset & ~u64{3}), static_cast<u32>(value));
        else if (offset == msrs + msr_count + 1)
            (void)device_->set_base(value);
        else if (width == 1)
            device_->set_task_priority(static_cast<u8>(value));
        else
            (void)device_->write_msr(msr(offset), value);
    }
    void interrupt_pending() override {}
    void nonmaskable_interrupt() override {}
    void init() override {}
    void startup(u8) override {}

    std::unique_ptr<InterruptFabric> fabric_ = std::make_unique<InterruptFabric>();
    std::unique_ptr<LocalApic> device_;
};

}  // namespace

std::unique_ptr<Subject> make_pic() { return std::make_unique<PicSubject>(); }
std::unique_ptr<Subject> make_io_apic() { return std::make_unique<IoApicSubject>(); }
std::unique_ptr<Subject> make_local_apic() { return std::make_unique<LocalApicSubject>(); }

}  // namespace softmetal::fuzz
