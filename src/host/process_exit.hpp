// Ending the process without running destructors or exit handlers.
#pragma once

namespace softmetal::host {

[[noreturn]] void exit_now(int status);

}  // namespace softmetal::host
