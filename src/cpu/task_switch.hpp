// Hardware task switches (SDM vol. 3, ch. 8), 16- and 32-bit; long mode has none.
#pragma once

#include "cpu/vcpu.hpp"

#include <optional>

namespace softmetal {

enum class TaskSwitch : u8 { jump, call, event, iret };  // INT n is a call

/// Switches to the task whose TSS `selector` names; a task gate's privilege the caller has checked. Raises
/// while the old task can still be left alone; once the new one is in, its own faults are delivered in it.
/// Those of an event's are raised: they are faults in the delivery of the event. RIP is already the old
/// task's return address. `error_code` is pushed for an event that has one.
void switch_task(Vcpu& vcpu, u16 selector, TaskSwitch kind, std::optional<u32> error_code = {});

/// IRET with NT set: back to the task the current TSS links to.
void return_from_task(Vcpu& vcpu);

}  // namespace softmetal
