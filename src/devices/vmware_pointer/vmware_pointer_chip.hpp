// A pointer that says where it is: movements wait in a queue until the guest's driver takes them. Before the
// driver has asked for absolute positions there is none, and the mouse is an ordinary one.
#pragma once

#include "bus/backends/input.hpp"
#include "devices/vmware_pointer/vmware_pointer_registers.hpp"

#include <nlohmann/json.hpp>
#include <vector>

namespace softmetal::devices {

class StateReader;

class VmwarePointerChip {
 public:
    /// What the guest's registers hold, and then are to hold.
    struct Registers {
        u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
        bool operator==(const Registers&) const = default;
    };

    /// A call of the backdoor. False where the command is none of the pointer's.
    [[nodiscard]] bool call(Registers& registers);
    /// False where the guest wants to hear of movements from its mouse.
    [[nodiscard]] bool move(const bus::PointerState& pointer);

    [[nodiscard]] nlohmann::json save() const;
    void restore(StateReader& in);

 private:
    static constexpr std::size_t most_waiting = 1024;  // words

    void obey(u32 command);
    void take(Registers& registers);

    bool enabled_ = false, absolute_ = false;
    std::vector<u32> queue_;
};

}  // namespace softmetal::devices
