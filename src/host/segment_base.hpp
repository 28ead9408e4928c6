// The GS base of the calling thread: compiled code does not use GS, so generated code addresses its vCPU
// through it.
#pragma once

#include "base/integers.hpp"

namespace softmetal::host {

void set_gs_base(u64 base);

}  // namespace softmetal::host
