// The board's devices one by one, each with all that a guest and the board can do to it, over stand-ins for
// its surroundings. For the targets that treat all devices alike.
#pragma once

#include "../unit/devices/fakes.hpp"
#include "bus/device.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace softmetal::fuzz {

/// One device of a kind, together with what it is wired to.
class Subject {
 public:
    virtual ~Subject() = default;
    /// Its register blocks, and how many bytes each decodes.
    [[nodiscard]] virtual std::vector<bus::IoHandler*> registers() = 0;
    [[nodiscard]] virtual u64 register_bytes() const = 0;
    /// Something that comes from outside: a line moves, bytes arrive, a button is pressed.
    virtual void disturb(u8 how) = 0;
    [[nodiscard]] virtual bus::SavedState save() = 0;
    /// Replaces the device by one with this state; false, and the device as it was, where that is refused.
    [[nodiscard]] virtual bool restore(const bus::SavedState& state) = 0;

    devices::testing::FakeClock clock;
    devices::testing::FakeTimerFactory timers{clock};
};

using MakeSubject = std::unique_ptr<Subject> (*)();
/// All kinds.
[[nodiscard]] const std::vector<MakeSubject>& subjects();

}  // namespace softmetal::fuzz
