#include "interpreter/x87_exceptions.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {

bool waits_for_x87(const Instruction& i) {
    if (!i.uses_x87) return false;
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_FNINIT:
        case ZYDIS_MNEMONIC_FNCLEX:
        case ZYDIS_MNEMONIC_FNSTSW:
        case ZYDIS_MNEMONIC_FNSTCW:
        case ZYDIS_MNEMONIC_FDISI8087_NOP:
        case ZYDIS_MNEMONIC_FENI8087_NOP:
        case ZYDIS_MNEMONIC_FSETPM287_NOP: return false;
        default: return true;
    }
}

}  // namespace softmetal::interpreter
