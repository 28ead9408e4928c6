// A thunk is a small host function made once per encoding:
//
//     save the callee-saved registers and RSP; load the GPRs, vector or x87 registers and status flags that
//     the instruction reads or writes; execute it with its memory operand at [address register]; store back;
//     return.
//
// The guest's RSP never goes into the host's: the operand is renamed. A host fault inside (divide error,
// unmasked floating-point exception, misaligned operand) leaves through `fault_exit` with nothing stored
// back.
#include "interpreter/native_thunk.hpp"

#include "assembler/rewriter.hpp"
#include "base/bits.hpp"
#include "host/code_memory.hpp"
#include "host/fault_signals.hpp"
#include "interpreter/operands.hpp"
#include "interpreter/x87_exceptions.hpp"
#include "interpreter/x87_stack.hpp"

#include <Zydis/Zydis.h>
#include <array>
#include <asmjit/asmjit.h>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <unordered_map>

namespace softmetal::interpreter {

/// What a thunk is handed, and what the fault handler leaves behind.
struct NativeFrame {
    CpuState* state;
    u8* memory;
    u64 flags;  // in and out: status flags for the host's RFLAGS
    u64 host_rsp;
    u32 host_mxcsr;
    u32 fault_mxcsr;
    u32 faulted;
    u32 vector;
    u32 error_code;
};

class NativeThunk {
 public:
    using Function = void (*)(NativeFrame*);
    Function function = nullptr;
    bool reads_flags = false;
};

namespace {

namespace jit = asmjit::x86;
constexpr u64 thunk_memory_bytes = 16 << 20;
constexpr u64 scratch_bytes = 1024;  // at its end: more than the longest thunk
constexpr u32 default_mxcsr = 0x1f80;

/// Fields of the frame and of the state, as operands.
jit::Mem frame_field(const jit::Gp& frame, std::size_t offset, u32 size = 8) {
    return jit::Mem(frame, static_cast<i32>(offset), size);
}
i32 gpr_offset(unsigned index) { return static_cast<i32>(offsetof(CpuState, gpr) + 8 * index); }
i32 extended_offset(std::size_t field) { return static_cast<i32>(offsetof(CpuState, extended) + field); }

bool uses_vectors(const Instruction& i) { return i.vectors_read | i.vectors_written; }
/// Conversions from memory to a general register name no vector register, but round and raise as MXCSR says.
bool uses_mxcsr(const Instruction& i) { return uses_vectors(i) || i.category == ZYDIS_CATEGORY_CONVERT; }
bool needs_flags_in(const Instruction& i) { return i.flags_read || i.flags_written != i.flags_killed; }

/// All thunks of the process: they hold no guest state, only code.
class ThunkLibrary {
 public:
    static ThunkLibrary& instance() {
        static ThunkLibrary library;
        return library;
    }

    const NativeThunk* find(const Instruction& i) {
        const Key key = key_of(i);
        std::lock_guard lock(mutex_);
        if (const auto known = thunks_.find(key); known != thunks_.end()) return known->second.get();
        if (used_ + scratch_bytes > scratch_begin()) return nullptr;  // full: see run_once
        auto thunk = std::make_unique<NativeThunk>();
        if (const u64 size = make(i, used_, *thunk))
            used_ = align_up(used_ + size, 16);
        else
            thunk = nullptr;
        return thunks_.emplace(key, std::move(thunk)).first->second.get();
    }

    /// A guest may have more encodings than there is room for thunks: those of the latecomers are made anew
    /// each time, one at a time. False where the instruction cannot run this way.
    bool run_once(Vcpu& vcpu, const Instruction& i) {
        std::lock_guard lock(scratch_mutex_);
        NativeThunk thunk;
        if (!make(i, scratch_begin(), thunk)) return false;
        run_native(vcpu, i, thunk);
        return true;
    }

    [[nodiscard]] u64 fault_exit() const { return fault_exit_; }

 private:
    struct Key {
        std::array<u8, 16> bytes;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& k) const {
            u64 low, high;
            std::memcpy(&low, k.bytes.data(), 8);
            std::memcpy(&high, k.bytes.data() + 8, 8);
            return (low ^ (high * 0x9e3779b97f4a7c15)) * 0xff51afd7ed558ccd >> 7;
        }
    };
    static Key key_of(const Instruction& i) {
        Key key{};
        std::copy_n(i.bytes.data(), i.length, key.bytes.data());
        // The thunk's operand lies at an address register without displacement.
        if (i.has_memory)
            std::fill_n(key.bytes.data() + i.layout.displacement, i.layout.displacement_size, u8{0});
        key.bytes[15] = i.mode;
        return key;
    }

    ThunkLibrary() {
        auto memory = host::CodeMemory::create(thunk_memory_bytes);
        if (!memory) throw std::runtime_error(memory.error().message);
        memory_.emplace(std::move(*memory));
        host::route_faults(memory_->executable(), memory_->size(), on_fault, this);
        emit_fault_exit();
    }

    static constexpr std::array<jit::Gp, 6> callee_saved = {jit::rbx, jit::rbp, jit::r12,
                                                            jit::r13, jit::r14, jit::r15};

    /// RDI = frame, RSP = frame->host_rsp.
    static void emit_return(jit::Assembler& a, const jit::Gp& frame) {
        a.fninit();
        a.vzeroupper();
        a.ldmxcsr(frame_field(frame, offsetof(NativeFrame, host_mxcsr), 4));
        for (auto reg = callee_saved.rbegin(); reg != callee_saved.rend(); ++reg) a.pop(*reg);
        a.ret();
    }

    void emit_fault_exit() {
        asmjit::CodeHolder code;
        code.init(asmjit::Environment::host());
        jit::Assembler a(&code);
        a.mov(jit::rsp, frame_field(jit::rdi, offsetof(NativeFrame, host_rsp)));
        emit_return(a, jit::rdi);
        fault_exit_ = reinterpret_cast<u64>(memory_->executable());
        used_ = align_up(place(code, 0), 16);
    }

    [[nodiscard]] u64 scratch_begin() const { return memory_->size() - scratch_bytes; }

    /// Answers the size; there is room for it.
    u64 place(asmjit::CodeHolder& code, u64 offset) {
        code.flatten();
        const u8* where = memory_->executable() + offset;
        code.relocateToBase(reinterpret_cast<u64>(where));
        code.copyFlattenedData(memory_->writable(where), code.codeSize());
        return code.codeSize();
    }

    /// A register nobody in this instruction needs, other than RDI, RSI (arguments) and RSP.
    static unsigned take_free(u32& taken) { return take(taken, {15, 14, 13, 12, 3, 5, 11, 10, 9, 8}); }
    /// One that needs no REX prefix, where RDI and RSI have served.
    static unsigned take_old(u32& taken) { return take(taken, {3, 5, 6, 7, 1, 2, 0}); }
    static unsigned take(u32& taken, std::initializer_list<unsigned> candidates) {
        for (unsigned candidate : candidates) {
            if (taken >> candidate & 1) continue;
            taken |= 1u << candidate;
            return candidate;
        }
        return 0;
    }

    /// Makes the thunk at `offset` of the memory and answers its size, 0 where it cannot be made.
    u64 make(const Instruction& i, u64 offset, NativeThunk& thunk) {
        const u32 guest = i.gprs_read | i.gprs_written;
        u32 taken = guest;
        const unsigned frame_number = take_free(taken);
        const unsigned state_number = take_free(taken);
        const unsigned address_number = take_free(taken);
        RegisterMap map = identity_map();
        if (guest >> x86::rsp & 1) map[x86::rsp] = static_cast<u8>(take_free(taken));
        unsigned address = address_number;
        auto rewritten = rewrite(i, map, {.base = static_cast<u8>(address)});
        if (!rewritten && rewritten.error() == RewriteError::high_byte_needs_rex) {
            // AH..BH need an encoding without REX: the address and RSP's stand-in go into old registers.
            taken = guest | 1u << frame_number | 1u << state_number;
            address = take_old(taken);
            if (guest >> x86::rsp & 1) map[x86::rsp] = static_cast<u8>(take_old(taken));
            rewritten = rewrite(i, map, {.base = static_cast<u8>(address)});
        }
        if (!rewritten) return 0;

        asmjit::CodeHolder code;
        code.init(asmjit::Environment::host());
        jit::Assembler a(&code);
        const jit::Gp frame = jit::gpq(frame_number), state = jit::gpq(state_number);
        emit_entry(a, i, frame, state, jit::gpq(address), map);
        a.embed(rewritten->bytes.data(), rewritten->length);
        emit_exit(a, i, frame, state, map);
        thunk.function =
            reinterpret_cast<NativeThunk::Function>(reinterpret_cast<u64>(memory_->executable() + offset));
        thunk.reads_flags = needs_flags_in(i);
        return place(code, offset);
    }

    static void emit_entry(jit::Assembler& a, const Instruction& i, const jit::Gp& frame,
                           const jit::Gp& state, const jit::Gp& address, const RegisterMap& map) {
        for (const jit::Gp& reg : callee_saved) a.push(reg);
        a.mov(frame_field(jit::rdi, offsetof(NativeFrame, host_rsp)), jit::rsp);
        a.mov(frame, jit::rdi);
        a.mov(state, frame_field(frame, offsetof(NativeFrame, state)));
        a.mov(address, frame_field(frame, offsetof(NativeFrame, memory)));
        if (i.uses_x87) {
            a.fxrstor64(frame_field(state, extended_offset(0), 0));
        } else if (uses_mxcsr(i)) {
            a.ldmxcsr(frame_field(state, extended_offset(offsetof(ExtendedState, mxcsr)), 4));
        }
        each_vector(i, [&](unsigned v) {
            const jit::Mem low =
                frame_field(state, extended_offset(offsetof(ExtendedState, xmm) + 16 * v), 16);
            const jit::Mem high =
                frame_field(state, extended_offset(offsetof(ExtendedState, ymm_high) + 16 * v), 16);
            if (i.layout.encoding == Encoding::vex) {
                a.vmovdqu(jit::xmm(v), low);
                a.vinsertf128(jit::ymm(v), jit::ymm(v), high, 1);
            } else {
                a.movdqu(jit::xmm(v), low);
            }
        });
        if (needs_flags_in(i)) {
            a.push(frame_field(frame, offsetof(NativeFrame, flags)));
            a.popfq();
        }
        each_gpr(i.gprs_read | i.gprs_written,
                 [&](unsigned r) { a.mov(jit::gpq(map[r]), frame_field(state, gpr_offset(r))); });
    }

    static void emit_exit(jit::Assembler& a, const Instruction& i, const jit::Gp& frame, const jit::Gp& state,
                          const RegisterMap& map) {
        if (i.flags_written) {
            a.pushfq();
            a.pop(frame_field(frame, offsetof(NativeFrame, flags)));
        }
        each_gpr(i.gprs_written,
                 [&](unsigned r) { a.mov(frame_field(state, gpr_offset(r)), jit::gpq(map[r])); });
        if (i.uses_x87) {
            a.fxsave64(frame_field(state, extended_offset(0), 0));
        } else if (uses_mxcsr(i)) {
            a.stmxcsr(frame_field(state, extended_offset(offsetof(ExtendedState, mxcsr)), 4));
        }
        each_vector(i, [&](unsigned v) {
            if (!(i.vectors_written >> v & 1)) return;
            const jit::Mem low =
                frame_field(state, extended_offset(offsetof(ExtendedState, xmm) + 16 * v), 16);
            const jit::Mem high =
                frame_field(state, extended_offset(offsetof(ExtendedState, ymm_high) + 16 * v), 16);
            if (i.layout.encoding == Encoding::vex) {
                a.vmovdqu(low, jit::xmm(v));
                a.vextractf128(high, jit::ymm(v), 1);
            } else if (!i.uses_x87) {
                a.movdqu(low, jit::xmm(v));  // FXSAVE has stored it otherwise
            }
        });
        a.mov(jit::rdi, frame);
        emit_return_light(a, i);
    }

    /// Only what this instruction can have disturbed is put back for compiled code.
    static void emit_return_light(jit::Assembler& a, const Instruction& i) {
        if (i.uses_x87) a.fninit();
        if (i.layout.encoding == Encoding::vex && uses_vectors(i)) a.vzeroupper();
        if (uses_mxcsr(i) || i.uses_x87)
            a.ldmxcsr(frame_field(jit::rdi, offsetof(NativeFrame, host_mxcsr), 4));
        for (auto reg = callee_saved.rbegin(); reg != callee_saved.rend(); ++reg) a.pop(*reg);
        a.ret();
    }

    template <class F>
    static void each_gpr(u32 mask, F f) {
        for (; mask; mask &= mask - 1) f(static_cast<unsigned>(std::countr_zero(mask)));
    }
    template <class F>
    static void each_vector(const Instruction& i, F f) {
        each_gpr(static_cast<u32>(i.vectors_read | i.vectors_written), f);
    }

    static bool on_fault(host::FaultFrame& fault, void* owner);

    std::mutex mutex_, scratch_mutex_;
    std::optional<host::CodeMemory> memory_;
    u64 used_ = 0;
    u64 fault_exit_ = 0;
    std::unordered_map<Key, std::unique_ptr<NativeThunk>, KeyHash> thunks_;
};

thread_local NativeFrame* current_frame = nullptr;

bool ThunkLibrary::on_fault(host::FaultFrame& fault, void* owner) {
    NativeFrame* frame = current_frame;
    if (!frame) return false;
    frame->faulted = 1;
    frame->vector = fault.vector();
    frame->error_code = static_cast<u32>(fault.error_code());
    frame->fault_mxcsr = fault.mxcsr();
    fault.gpr(x86::rdi) = reinterpret_cast<u64>(frame);
    fault.rip() = static_cast<ThunkLibrary*>(owner)->fault_exit();
    return true;
}

/// BT, BTS, BTR, BTC with a register bit number address the memory around their operand (SDM vol. 2, BT).
bool is_bit_string(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_BT:
        case ZYDIS_MNEMONIC_BTS:
        case ZYDIS_MNEMONIC_BTR:
        case ZYDIS_MNEMONIC_BTC: return i.has_memory && i.operands[1].kind == OperandKind::gpr;
        default: return false;
    }
}
i64 bit_string_displacement(const CpuState& state, const Instruction& i) {
    const unsigned width = i.operand_size * 8u;
    const i64 number = static_cast<i64>(sign_extend(state.gpr[i.operands[1].index], width));
    return (number >> std::countr_zero(width)) * i.operand_size;
}

struct X87Pointers {
    u64 fip, fdp;
    u16 fop;
};

/// FIP, FDP and FOP as the guest must see them: the host's point at the thunk (SDM vol. 1, ch. 8.1.8).
/// Most processors record FOP, and some FDP, for unmasked exceptions only: what has not changed stays.
void hide_x87_pointers(ExtendedState& after, const X87Pointers& before, const Instruction& i, u64 guest_rip,
                       u64 guest_operand) {
    if (after.fip == before.fip || after.fip == 0) return;  // it does not record itself, or is FNINIT
    after.fip = guest_rip;
    if (after.fdp != before.fdp) after.fdp = guest_operand;
    // With its exception pending it has recorded FOP, though the thunk's may happen to be the one from
    // before.
    if (i.layout.modrm && (after.fop != before.fop || after.x87_exception_pending()))
        after.fop = static_cast<u16>((i.bytes[i.layout.opcode] & 7) << 8 | i.bytes[i.layout.modrm]);
}

/// Vector operands that must be aligned to their size: #GP comes before all other checks of the address (SDM
/// vol. 2, ch. 2.4; APM vol. 1, ch. 4.3.2 on MXCSR.MM).
bool must_be_aligned(const Vcpu& vcpu, const Instruction& i) {
    if (i.memory.size < 16 || !std::has_single_bit(i.memory.size)) return false;
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_MOVUPS:
        case ZYDIS_MNEMONIC_MOVUPD:
        case ZYDIS_MNEMONIC_MOVDQU:
        case ZYDIS_MNEMONIC_LDDQU:
        case ZYDIS_MNEMONIC_PCMPESTRI:
        case ZYDIS_MNEMONIC_PCMPESTRM:
        case ZYDIS_MNEMONIC_PCMPISTRI:
        case ZYDIS_MNEMONIC_PCMPISTRM: return false;
        case ZYDIS_MNEMONIC_VMOVAPS:
        case ZYDIS_MNEMONIC_VMOVAPD:
        case ZYDIS_MNEMONIC_VMOVDQA:
        case ZYDIS_MNEMONIC_VMOVNTPS:
        case ZYDIS_MNEMONIC_VMOVNTPD:
        case ZYDIS_MNEMONIC_VMOVNTDQ:
        case ZYDIS_MNEMONIC_VMOVNTDQA:
        case ZYDIS_MNEMONIC_MOVAPS:
        case ZYDIS_MNEMONIC_MOVAPD:
        case ZYDIS_MNEMONIC_MOVDQA:
        case ZYDIS_MNEMONIC_MOVNTPS:
        case ZYDIS_MNEMONIC_MOVNTPD:
        case ZYDIS_MNEMONIC_MOVNTDQ:
        case ZYDIS_MNEMONIC_MOVNTDQA: return true;
        default: break;
    }
    if (i.layout.encoding != Encoding::legacy) return false;
    // Zen 4 does not check the operands of the SHA instructions (measured with the oracle; the manual says
    // otherwise).
    if (i.isa_set == ZYDIS_ISA_SET_SHA && vcpu.model.is_amd()) return false;
    return !(vcpu.state.extended.mxcsr & x86::mxcsr::misaligned_mask);
}

}  // namespace

Result<void> prepare_native_execution() {
    try {
        static_cast<void>(ThunkLibrary::instance());
    } catch (const std::runtime_error& error) {
        return fail(error.what());
    }
    return {};
}

const NativeThunk* native_thunk(const Instruction& i) { return ThunkLibrary::instance().find(i); }

bool run_native_once(Vcpu& vcpu, const Instruction& i) { return ThunkLibrary::instance().run_once(vcpu, i); }

void run_native(Vcpu& vcpu, const Instruction& i, const NativeThunk& thunk) {
    CpuState& state = vcpu.state;
    alignas(64) std::array<std::byte, 192> bounce;
    NativeFrame frame{};
    frame.state = &state;
    frame.host_mxcsr = default_mxcsr;
    frame.flags = (state.rflags & x86::flags::status) | x86::flags::always_one;

    // Ahead of anything that the operand could raise.
    const bool finds_error = state.extended.x87_exception_pending() && waits_for_x87(i);
    if (finds_error && !state.ignores_x87_error) raise(x86::Vector::x87_floating_point);
    const IgnoredX87Error ignored(state.extended, finds_error);
    // A store of an MMX register has set TOP when it faults, but on AMD's processors.
    if (i.memory.written && i.operands[1].kind == OperandKind::mmx && !vcpu.model.is_amd())
        set_x87_top(state.extended, 0);
    GuestLinear address{};
    const MemoryOperand& memory = i.memory;
    const bool uses_memory = i.has_memory && memory.size != 0;
    bool bounced = false;
    i64 displacement = 0;
    const Privilege privilege = vcpu.mmu.data_privilege();
    if (uses_memory) {
        const Access access = memory.written ? Access::write : Access::read;
        if (is_bit_string(i)) {
            displacement = bit_string_displacement(state, i);
            u64 offset = effective_offset(state, i) + static_cast<u64>(displacement);
            if (i.address_size < 8) offset &= low_bits(i.address_size * 8u);
            address = linear_address(vcpu, memory.segment, offset, memory.size, access);
        } else {
            if (must_be_aligned(vcpu, i) &&
                (effective_offset(state, i) + segment_base(state, memory.segment)) & (memory.size - 1u))
                raise_gp();
            address = memory_address(vcpu, i, access);
        }
        frame.memory = vcpu.linear.in_place(address, memory.size, access, privilege);
        if (!frame.memory) {
            bounced = true;
            frame.memory = reinterpret_cast<u8*>(bounce.data()) + (address.value & 63);
            if (memory.written) vcpu.linear.probe_write(address, memory.size, privilege);
            if (memory.read || i.uses_x87)  // an unmasked exception suppresses an x87 store
                vcpu.linear.read_bytes(address, {reinterpret_cast<std::byte*>(frame.memory), memory.size},
                                       privilege);
        }
        frame.memory -= displacement;
    }

    const X87Pointers pointers{state.extended.fip, state.extended.fdp, state.extended.fop};
    current_frame = &frame;
    thunk.function(&frame);
    current_frame = nullptr;

    if (frame.faulted) {
        const auto vector = static_cast<x86::Vector>(frame.vector);
        // The status bits that made an unmasked SIMD exception stay set (SDM vol. 1, ch. 11.5.2.2).
        if (vector == x86::Vector::simd_floating_point) {
            state.extended.mxcsr = frame.fault_mxcsr;
            if (i.uses_x87) enter_mmx_state(state.extended);
            // A system that has not said it knows of #XM gets #UD (SDM vol. 3, table 2-4).
            if (!(state.cr4 & x86::cr4::osxmmexcpt)) raise_ud();
        }
        if (x86::has_error_code(vector)) raise(vector, 0);
        raise(vector);
    }
    if (i.flags_written)
        state.rflags = (state.rflags & ~x86::flags::status) | (frame.flags & x86::flags::status);
    if (i.uses_x87)
        hide_x87_pointers(state.extended, pointers, i, state.rip - i.length, effective_offset(state, i));
    if (bounced && memory.written)
        vcpu.linear.write_bytes(
            address, {reinterpret_cast<const std::byte*>(frame.memory + displacement), memory.size},
            privilege);
}

}  // namespace softmetal::interpreter
