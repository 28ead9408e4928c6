#include "translator/stubs.hpp"

#include "base/bits.hpp"

#include <cstring>

namespace softmetal::translator {
namespace {

constexpr u32 host_mxcsr = 0x1f80;

/// Guest registers that a C++ call may change (System V ABI), and those it keeps.
constexpr std::array<u8, 7> caller_saved = {x86::rax, x86::rcx, x86::rdx, x86::rsi,
                                            x86::rdi, x86::r8,  x86::rsp};
constexpr std::array<u8, 6> callee_saved = {x86::rbx, x86::rbp, x86::r12, x86::r13, x86::r14, x86::r15};

class StubEmitter {
 public:
    StubEmitter(jit::Assembler& a, VcpuBlock& block, const MonitorCalls& calls)
        : a_(a), block_(block), calls_(calls) {}

    void enter() {
        for (u8 r : callee_saved) a_.push(jit::gpq(r));
        a_.sub(jit::rsp, 8);  // translated code runs with RSP a multiple of 16
        a_.mov(block_field(SOFTMETAL_AREA(host_rsp)), jit::rsp);
        a_.mov(block_field(SOFTMETAL_AREA(exit_value)), jit::rdi);
        load_vectors();
        load(caller_saved);
        load(callee_saved);
        a_.jmp(block_field(SOFTMETAL_AREA(exit_value)));
    }

    /// `changes_registers`: also those that a C++ function keeps.
    void light(u64 (*function)(void*, u64, u64), bool changes_registers = false) {
        store_all();
        a_.mov(block_field(SOFTMETAL_AREA(fault_linear)), address_register);
        call(function);
        a_.test(jit::rax, jit::rax);
        a_.jz(leave_with_vectors_);
        a_.mov(temporary, jit::rax);
        load(caller_saved);  // the rest survived the call
        if (changes_registers) load(callee_saved);
        a_.mov(address_register,
               block_field(SOFTMETAL_AREA(fault_linear)));  // what a retried look-up begins with
        a_.jmp(temporary);
    }

    void heavy(u64 (*function)(void*, u64, u64)) {
        store_all();
        store_vectors();
        call(function);
        a_.test(jit::rax, jit::rax);
        a_.jz(leave_);
        a_.mov(block_field(SOFTMETAL_AREA(exit_value)), jit::rax);
        load_vectors();
        load(caller_saved);
        load(callee_saved);
        a_.jmp(block_field(SOFTMETAL_AREA(exit_value)));
    }

    void leave() {
        a_.bind(leave_with_vectors_);
        store_vectors();
        a_.bind(leave_);
        a_.mov(jit::rsp, block_field(SOFTMETAL_AREA(host_rsp)));
        a_.add(jit::rsp, 8);
        for (auto r = callee_saved.rbegin(); r != callee_saved.rend(); ++r) a_.pop(jit::gpq(*r));
        a_.ret();
    }

    /// Takes the site number from the block; flags as the fault found them.
    void fault(bool flags_in_host, u64 interpret) {
        if (flags_in_host) emit_save_flags(a_);
        a_.mov(temporary, block_field(SOFTMETAL_AREA(exit_value)));
        a_.jmp(interpret);
    }

    void create_labels() {
        leave_ = a_.newLabel();
        leave_with_vectors_ = a_.newLabel();
    }

 private:
    template <class List>
    void load(const List& registers) {
        for (u8 r : registers) a_.mov(jit::gpq(host_number(r)), guest_gpr(r));
    }
    void store_all() {
        for (u8 r : caller_saved) a_.mov(guest_gpr(r), jit::gpq(host_number(r)));
        for (u8 r : callee_saved) a_.mov(guest_gpr(r), jit::gpq(host_number(r)));
    }
    [[nodiscard]] u64 extended() const { return reinterpret_cast<u64>(&block_.state.extended); }
    void xsave_mask() {
        a_.mov(jit::eax, 7);
        a_.xor_(jit::edx, jit::edx);
    }
    void load_vectors() {
        a_.mov(jit::rdi, extended());
        xsave_mask();
        a_.xrstor64(jit::ptr(jit::rdi));
    }
    void store_vectors() {
        a_.mov(jit::rdi, extended());
        xsave_mask();
        a_.xsave64(jit::ptr(jit::rdi));
        // Everything is there, whatever the processor's bookkeeping of initial state says.
        a_.mov(jit::qword_ptr(jit::rdi, offsetof(ExtendedState, xstate_bv)), 7);
        // The monitor's own environment.
        a_.fninit();
        a_.vzeroupper();
        a_.push(host_mxcsr);
        a_.ldmxcsr(jit::dword_ptr(jit::rsp));
        a_.add(jit::rsp, 8);
    }
    void call(u64 (*function)(void*, u64, u64)) {
        a_.mov(jit::rdi, reinterpret_cast<u64>(calls_.context));
        a_.mov(jit::rsi, address_register);
        a_.mov(jit::edx, temporary.r32());
        a_.mov(jit::rax, reinterpret_cast<u64>(function));
        a_.call(jit::rax);
    }

    jit::Assembler& a_;
    VcpuBlock& block_;
    const MonitorCalls& calls_;
    asmjit::Label leave_, leave_with_vectors_;
};

}  // namespace

void emit_save_flags(jit::Assembler& a) {
    a.mov(temporary, jit::rax);
    a.lahf();
    a.seto(jit::al);
    a.mov(block_field(SOFTMETAL_AREA(saved_flags), 2), jit::ax);
    a.mov(jit::rax, temporary);
}

void emit_restore_flags(jit::Assembler& a) {
    a.mov(temporary, jit::rax);
    // As wide as the store: a wider load would wait until the store has left the store buffer.
    a.movzx(jit::eax, block_field(SOFTMETAL_AREA(saved_flags), 2));
    a.add(jit::al, 0x7f);  // OF comes back: 1 + 0x7f overflows
    a.sahf();
    a.mov(jit::rax, temporary);
}

Stubs emit_stubs(host::CodeMemory& memory, VcpuBlock& block, const MonitorCalls& calls) {
    asmjit::CodeHolder code;
    const u64 base = reinterpret_cast<u64>(memory.executable());
    code.init(asmjit::Environment::host(), base);
    jit::Assembler a(&code);
    StubEmitter emitter(a, block, calls);
    emitter.create_labels();
    const auto here = [&] {
        a.align(asmjit::AlignMode::kCode, 16);
        return base + a.offset();
    };
    Stubs stubs;
    const u64 enter = here();
    emitter.enter();
    stubs.tlb_miss = here();
    emitter.light(calls.tlb_miss);
    stubs.resolve_link = here();
    emitter.light(calls.resolve_link);
    stubs.resolve_indirect = here();
    emitter.light(calls.resolve_indirect);
    stubs.fast_call = here();
    emitter.light(calls.fast_call, true);
    stubs.leave = here();
    emitter.light(calls.leave);
    stubs.interpret = here();
    emitter.heavy(calls.interpret);
    stubs.fault_flags_in_host = here();
    emitter.fault(true, stubs.interpret);
    stubs.fault_flags_saved = here();
    emitter.fault(false, stubs.interpret);
    emitter.leave();
    code.flatten();
    code.resolveUnresolvedLinks();
    code.relocateToBase(base);
    code.copyFlattenedData(memory.writable(), code.codeSize());
    stubs.enter = reinterpret_cast<void (*)(const u8*)>(enter);
    stubs.bytes = static_cast<u32>(align_up(code.codeSize(), 64));
    return stubs;
}

}  // namespace softmetal::translator
