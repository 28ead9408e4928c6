#include "host/segment_base.hpp"

#include <asm/prctl.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace softmetal::host {

void set_gs_base(u64 base) {
    constexpr unsigned long hwcap2_fsgsbase = 1ul << 1;  // the kernel lets user mode use WRGSBASE
    if (getauxval(AT_HWCAP2) & hwcap2_fsgsbase)
        asm volatile("wrgsbase %0" : : "r"(base));
    else
        syscall(SYS_arch_prctl, ARCH_SET_GS, base);
}

}  // namespace softmetal::host
