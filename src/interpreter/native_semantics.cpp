// The last group: user-level instructions without a semantic function of their own run on the host CPU.
#include "interpreter/legality.hpp"
#include "interpreter/native_thunk.hpp"
#include "interpreter/semantics.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

void no_operation(Vcpu&, const Instruction&, void*) {}

void execute(Vcpu& vcpu, const Instruction& i, void* extra) {
    const auto* thunk = static_cast<const NativeThunk*>(extra);
    if (thunk)
        run_native(vcpu, i, *thunk);
    else if (!run_native_once(vcpu, bit_scan_reading(vcpu.model.features(), i).value_or(i)))
        raise_ud();
}

}  // namespace

Semantics native_semantics(const Instruction& i) {
    switch (i.category) {
        case ZYDIS_CATEGORY_NOP:
        case ZYDIS_CATEGORY_WIDENOP:
        case ZYDIS_CATEGORY_PREFETCH: return no_operation;
        default: return execute;
    }
}

}  // namespace softmetal::interpreter
