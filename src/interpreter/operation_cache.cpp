#include "interpreter/operation_cache.hpp"

#include "interpreter/native_thunk.hpp"

#include <Zydis/Zydis.h>
#include <new>

namespace softmetal::interpreter {

namespace {

void undefined(Vcpu&, const Instruction&, void*) { raise_ud(); }

Semantics own_semantics(const Instruction& i) {
    constexpr auto groups = std::to_array<Semantics (*)(const Instruction&)>(
        {string_semantics, data_transfer_semantics, integer_arithmetic_semantics, shift_semantics,
         control_transfer_semantics, stack_semantics, exchange_semantics, segment_semantics, system_semantics,
         iopl_sensitive_semantics, legacy_semantics, extended_state_semantics, x87_environment_semantics,
         masked_move_semantics});
    for (const auto group : groups)
        if (const Semantics found = group(i)) return found;
    return nullptr;
}

[[nodiscard]] bool does_nothing(const Instruction& i) {
    return i.category == ZYDIS_CATEGORY_NOP || i.category == ZYDIS_CATEGORY_WIDENOP ||
           i.category == ZYDIS_CATEGORY_PREFETCH;
}

/// What no group claims runs on the host, but never something that is not a computation.
[[nodiscard]] bool may_run_natively(const Instruction& i) {
    switch (i.category) {
        case ZYDIS_CATEGORY_CALL:
        case ZYDIS_CATEGORY_COND_BR:
        case ZYDIS_CATEGORY_INTERRUPT:
        case ZYDIS_CATEGORY_IO:
        case ZYDIS_CATEGORY_IOSTRINGOP:
        case ZYDIS_CATEGORY_RET:
        case ZYDIS_CATEGORY_SEGOP:
        case ZYDIS_CATEGORY_STRINGOP:
        case ZYDIS_CATEGORY_SYSCALL:
        case ZYDIS_CATEGORY_SYSRET:
        case ZYDIS_CATEGORY_SYSTEM:
        case ZYDIS_CATEGORY_UNCOND_BR: return false;
        default: return !i.privileged;
    }
}

}  // namespace

// Zeroed pages cost nothing until they are used; an entry of zeros has no code size, so it matches nothing.
OperationCache::OperationCache() : storage_(std::calloc(entry_count + 1, sizeof(CachedOperation))) {
    static_assert(std::is_trivially_copyable_v<CachedOperation>);
    if (!storage_) throw std::bad_alloc();
    const u64 first = align_up(reinterpret_cast<u64>(storage_.get()), alignof(CachedOperation));
    entries_ = reinterpret_cast<CachedOperation*>(first);
}

CachedOperation make_operation(const CpuModel& model, const Instruction& i) {
    CachedOperation result;
    result.operation.instruction = i;
    result.low_mask = low_bits(std::min(i.length * 8u, 64u));
    result.high_mask = i.length > 8 ? low_bits((i.length - 8u) * 8u) : 0;
    const Semantics own = own_semantics(i);
    if (!is_in_model(model.features(), i) || (!own && !may_run_natively(i))) {
        result.operation.run = undefined;
        return result;
    }
    result.conditions = conditions_of(i);
    result.operation.run = own;
    if (!own) {
        result.operation.run = native_semantics(i);
        // The thunk alone differs: operands and status flags written are the same.
        const Instruction executed = bit_scan_reading(model.features(), i).value_or(i);
        if (!does_nothing(i)) result.operation.extra = const_cast<NativeThunk*>(native_thunk(executed));
    }
    return result;
}

}  // namespace softmetal::interpreter
