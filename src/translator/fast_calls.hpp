// Instructions of kernels that are too involved to emit and too frequent to interpret: system calls and
// returns, SWAPGS, IRET (fast_transfers.cpp), segment loads, POPF, time stamps, string moves, PAUSE, XSAVEC
// and XRSTOR (fast_extended_state.cpp). They run in the monitor with the guest's vector state still in the
// registers.
//
// Each does all of its instruction, or part of the iterations of a repeated one, or answers false having
// changed nothing else: then the interpreter executes it, and raises what is to be raised.
#pragma once

#include "cpu/vcpu.hpp"
#include "decoder/instruction.hpp"

#include <optional>
#include <span>

namespace softmetal::translator {

enum class FastCall : u8 {
    none,
    system_call,
    system_return,
    interrupt_return,
    swap_gs,
    move_string,   // MOVS, with or without REP
    store_string,  // STOS
    read_time_stamp,
    read_time_stamp_and_id,  // RDTSCP
    pop_flags,
    load_segment,  // MOV to DS, ES, FS, GS
    pop_segment,
    sysenter,
    sysexit,
    interrupt_return32,
    save_extended,     // XSAVEC
    restore_extended,  // XRSTOR
    spin_wait,         // PAUSE
    // Of segmented code (fast_far_transfers.cpp):
    far_jump,
    far_call,
    far_jump_by_memory,
    far_call_by_memory,
    far_return,
    software_interrupt,  // INT n
    real_mode_return,    // IRET
    load_far_pointer,    // LDS, LES, LFS, LGS
};

/// What a fast call is given beside its number: nothing, the linear address of its memory operand, the
/// selector in its register or memory operand, or what `constant_of` says.
enum class FastCallOperand : u8 { none, address, selector, constant };
[[nodiscard]] constexpr FastCallOperand operand_of(FastCall call) {
    switch (call) {
        case FastCall::load_segment: return FastCallOperand::selector;
        case FastCall::save_extended:
        case FastCall::far_jump_by_memory:
        case FastCall::far_call_by_memory:
        case FastCall::load_far_pointer:
        case FastCall::restore_extended: return FastCallOperand::address;
        case FastCall::far_jump:
        case FastCall::far_call:
        case FastCall::far_return:
        case FastCall::software_interrupt: return FastCallOperand::constant;
        default: return FastCallOperand::none;
    }
}

/// The instruction a fast call stands for, as far as it needs to know.
struct FastCallSite {
    FastCall call = FastCall::none;
    u8 size = 0;  // of a string element, in bytes; operand of XSAVEC, XRSTOR: 8 with REX.W; of
                  // load_segment, pop_segment and load_far_pointer: the x86::Segment
    u8 slot = 8;  // of the stack, in bytes: as wide as the code, but what the operand is in segmented code
    u8 address_size = 8;                     // in bytes
    bool repeated = false;                   // with REP
    bool segmented = false;                  // as Mode::segmented
    u8 target = 0;                           // of load_far_pointer: the register
    x86::Segment source = x86::Segment::ds;  // of a string move
};

/// The part of a register that an address, a count or a stack pointer of that many bytes is.
[[nodiscard, gnu::always_inline]] inline u64 cut(u64 value, unsigned bytes) {
    return bytes == 8 ? value : bytes == 4 ? value & 0xffff'ffff : value & 0xffff;
}
[[gnu::always_inline]] inline void set_part(u64& reg, u64 value, unsigned bytes) {
    reg = bytes == 2 ? (reg & ~u64{0xffff}) | (value & 0xffff) : cut(value, bytes);
}

/// Of JMP and CALL, whose near forms have the same mnemonics.
[[nodiscard]] bool is_far_branch(const Instruction& i);

struct Mode;
[[nodiscard]] FastCallSite fast_call_of(const Instruction& i, const Mode& mode);
/// A far pointer (the selector above 32 bits of offset), the bytes a return releases, or a vector.
[[nodiscard]] u64 constant_of(const Instruction& i);

class FastCalls {
 public:
    /// `code`: where translations lie, of which the guest must not hear in x87 pointers.
    FastCalls(Vcpu& vcpu, std::span<const u8> code) : vcpu_(vcpu), code_(code) {}

    /// state.rip is at the instruction, `next` behind it; on success it is where execution goes on
    /// (which may be the same place again for a repeated string instruction). Light.
    [[nodiscard]] bool run(const FastCallSite& site, u64 next, u64 operand);

    /// As the guest loaded them last: where FDP and FOP differ, translated code has recorded them.
    struct X87Pointers {
        u64 fip = 0, fdp = 0;
        u16 fop = 0;
        bool initial = true;  // FCW, FSW and the tags were as FNINIT leaves them

        X87Pointers() = default;
        // Inlined: made in light functions too.
        [[gnu::always_inline]] explicit X87Pointers(const ExtendedState& e)
            : fip(e.fip), fdp(e.fdp), fop(e.fop), initial(e.fcw == 0x37f && e.fsw == 0 && e.ftw == 0) {}
    };
    X87Pointers loaded_x87_pointers;

 private:
    [[nodiscard]] bool system_call(u64 next);
    [[nodiscard]] bool system_return();
    [[nodiscard]] bool interrupt_return();
    [[nodiscard]] bool swap_gs(u64 next);
    [[nodiscard]] bool string(bool moves, u64 next, const FastCallSite& site);
    [[nodiscard]] bool read_time_stamp(u64 next, bool with_id);
    [[nodiscard]] bool pop_flags(u64 next, const FastCallSite& site);
    [[nodiscard]] bool load_segment(x86::Segment name, u16 selector, u64 next);
    [[nodiscard]] bool pop_segment(x86::Segment name, u64 next, const FastCallSite& site);
    [[nodiscard]] bool may_use_sysenter() const;
    [[nodiscard]] bool sysenter(u64 next);
    [[nodiscard]] bool sysexit();
    [[nodiscard]] bool interrupt_return32();
    [[nodiscard]] bool save_extended(u64 where, u64 next, const FastCallSite& site);
    [[nodiscard]] bool restore_extended(u64 where, u64 next, const FastCallSite& site);
    void keep_upper_registers(u64 requested);
    [[nodiscard]] bool spin_wait(u64 next);
    struct FarPointer {
        u16 selector;
        u64 offset;
    };
    [[nodiscard]] static FarPointer unpack(u64 operand);  // constant_of's
    [[nodiscard]] std::optional<FarPointer> read_far_pointer(u64 where, const FastCallSite& site);
    /// CS:RIP, at the same privilege level.
    [[nodiscard]] bool enter_code_segment(u16 selector, u64 offset);
    [[nodiscard]] bool far_jump(const FarPointer& target);
    [[nodiscard]] bool far_call(const FarPointer& target, u64 next, const FastCallSite& site);
    [[nodiscard]] bool far_return(u64 released, const FastCallSite& site);
    [[nodiscard]] bool software_interrupt(u64 vector, u64 next, const FastCallSite& site);
    [[nodiscard]] bool real_mode_return(const FastCallSite& site);
    [[nodiscard]] bool load_far_pointer(u64 where, u64 next, const FastCallSite& site);
    /// An XSAVE area in guest memory: `split` bytes at `low`, the rest on another page.
    struct AreaInMemory {
        unsigned split;
        u8* low = nullptr;
        u8* high = nullptr;
    };
    [[nodiscard]] std::optional<AreaInMemory> find_area(GuestLinear start, unsigned size, Access access);
    [[nodiscard]] bool may_xsave(u64 where, const FastCallSite& site) const;
    /// The code or data segment a selector names, as its descriptor has it; none where loading it would fault
    /// or change the descriptor. What it may be used for is the caller's to check.
    [[nodiscard]] std::optional<x86::SegmentRegister> segment_of(u16 selector);
    [[nodiscard]] u8* host(GuestLinear a, unsigned size, Access access, Privilege p);
    /// Of `size` bytes at `offset`; none where the segment does not allow that.
    [[nodiscard]] std::optional<GuestLinear> linear(const FastCallSite& site, x86::Segment segment,
                                                    u64 offset, u64 size, Access access) const;
    /// The slots on top of the stack; null where they cannot be read without further ado.
    [[nodiscard]] const u8* top_of_stack(const FastCallSite& site, unsigned slots = 1);
    /// The bytes below it, to be written.
    [[nodiscard]] u8* below_stack(const FastCallSite& site, unsigned bytes);
    void drop_slot(const FastCallSite& site);

    Vcpu& vcpu_;
    std::span<const u8> code_;
    ExtendedState image_;    // of XSAVEC and XRSTOR, out of the guest's reach
    ExtendedState present_;  // registers as they are, where XRSTOR leaves some alone
};

}  // namespace softmetal::translator
