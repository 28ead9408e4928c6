// The subjects for fuzzing: the display adapter.
#include "device_subject.hpp"
#include "devices/vga/vga.hpp"

namespace softmetal::fuzz {
namespace {

using namespace devices;
using namespace devices::testing;

/// Its configuration space is the last register block; what comes from outside is somebody who looks.
class VgaSubject final : public Subject, private bus::IoHandler {
 public:
    VgaSubject() { device_ = std::make_unique<Vga>(resources()); }
    std::vector<bus::IoHandler*> registers() override {
        return {&device_->ports(), &device_->dispi(), &device_->window(), this};
    }
    u64 register_bytes() const override { return 0x40; }
    void disturb(u8 how) override {
        const auto picture = device_->picture();
        std::vector<u32> scratch(bus::Screen::scratch_pixels);
        const u32 step = 1 + how;
        for (u32 y = 0; y < picture->height(); y += step) {
            const auto line = picture->line(y, scratch);
            u32 seen = 0;
            for (const u32 pixel : line) seen ^= pixel;  // every byte is there
            if (line.size() != picture->width()) scratch.at(seen) = 0;
        }
    }
    bus::SavedState save() override { return device_->save(); }
    bool restore(const bus::SavedState& state) override {
        auto restored = Vga::restore(resources(), state);
        if (!restored) return false;
        device_ = std::move(*restored);
        return true;
    }

 private:
    struct Memory final : bus::MovableMemory {
        std::span<u8> bytes() override { return storage; }
        void place(std::optional<u64>) override {}
        std::vector<u8> storage = std::vector<u8>(vga::least_memory);
    };
    struct Nowhere final : bus::InterruptMessageSink, bus::DmaView {
        void send(bus::InterruptMessage) override {}
        bool read(GuestPhysical, std::span<std::byte>) const override { return false; }
        bool write(GuestPhysical, std::span<const std::byte>) override { return false; }
    };
    Vga::Resources resources() { return {surroundings_, memory_, clock}; }
    u64 read_io(u64 offset, unsigned width) override {
        return device_->read_configuration(static_cast<u8>(offset & ~u64{3}), width > 4 ? 4 : width);
    }
    void write_io(u64 offset, unsigned width, u64 value) override {
        device_->write_configuration(static_cast<u8>(offset & ~u64{3}), width > 4 ? 4 : width,
                                     static_cast<u32>(value));
    }

    Nowhere nowhere_;
    bus::AddressSpace ports_, mmio_;
    Memory memory_;
    pci::Surroundings surroundings_{ports_, mmio_, nowhere_, nowhere_, nullptr};
    std::unique_ptr<Vga> device_;
};

}  // namespace

std::unique_ptr<Subject> make_vga() { return std::make_unique<VgaSubject>(); }

}  // namespace softmetal::fuzz
