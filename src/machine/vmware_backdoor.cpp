#include "machine/vmware_backdoor.hpp"

#include "base/bits.hpp"

namespace softmetal::machine {
namespace {

thread_local Vcpu* caller = nullptr;

}  // namespace

VmwareBackdoor::Caller::Caller(Vcpu& vcpu) { caller = &vcpu; }
VmwareBackdoor::Caller::~Caller() { caller = nullptr; }

u64 VmwareBackdoor::read_io(u64 offset, unsigned width) {
    using namespace devices::vmware;
    if (offset != 0 || width != 4 || !caller) return low_bits(8 * width);
    const auto low = [](unsigned number) { return static_cast<u32>(caller->state.gpr[number]); };
    devices::VmwarePointerChip::Registers r{low(x86::rax), low(x86::rbx), low(x86::rcx), low(x86::rdx)};
    if (r.eax != magic) return failed;
    if (static_cast<u16>(r.ecx) == command::get_version) {
        r.eax = version;
        r.ebx = magic;
        r.ecx = product_workstation;
    } else if (!pointer_.call(r)) {
        return failed;
    }
    caller->state.gpr[x86::rbx] = r.ebx;
    caller->state.gpr[x86::rcx] = r.ecx;
    caller->state.gpr[x86::rdx] = r.edx;
    return r.eax;
}

}  // namespace softmetal::machine
