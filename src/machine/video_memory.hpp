// The display adapter's memory: a part of guest memory that the adapter places.
#pragma once

#include "bus/movable_memory.hpp"
#include "cpu/vcpu.hpp"
#include "memory/guest_memory.hpp"

#include <memory>
#include <vector>

namespace softmetal::machine {

class VideoMemory final : public bus::MovableMemory {
 public:
    /// Both outlive this; processors may be added meanwhile.
    VideoMemory(GuestMemory& memory, const std::vector<std::unique_ptr<Vcpu>>& vcpus)
        : memory_(memory), vcpus_(vcpus) {}
    [[nodiscard]] std::span<u8> bytes() override { return memory_.video_memory(); }
    void place(std::optional<u64> address) override {
        memory_.place_video_memory(address);
        for (const auto& vcpu : vcpus_) vcpu->memory_map_changed();
    }

 private:
    GuestMemory& memory_;
    const std::vector<std::unique_ptr<Vcpu>>& vcpus_;
};

}  // namespace softmetal::machine
