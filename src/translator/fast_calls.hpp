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
};

/// What a fast call is given beside its number: nothing, the linear address of its memory operand, or the
/// selector in its register or memory operand.
enum class FastCallOperand : u8 { none, address, selector };
[[nodiscard]] constexpr FastCallOperand operand_of(FastCall call) {
    switch (call) {
        case FastCall::load_segment: return FastCallOperand::selector;
        case FastCall::save_extended:
        case FastCall::restore_extended: return FastCallOperand::address;
        default: return FastCallOperand::none;
    }
}

/// The instruction a fast call stands for, as far as it needs to know.
struct FastCallSite {
    FastCall call = FastCall::none;
    u8 size = 0;            // of a string element, in bytes; operand of XSAVEC, XRSTOR: 8 with REX.W; of
                            // load_segment and pop_segment: the x86::Segment
    u8 code_size = 8;       // of the instruction's code, in bytes: 4 or 8
    bool repeated = false;  // with REP
};

[[nodiscard]] FastCallSite fast_call_of(const Instruction& i);

class FastCalls {
 public:
    /// `code`: where translations lie, of which the guest must not hear in x87 pointers.
    FastCalls(Vcpu& vcpu, std::span<const u8> code) : vcpu_(vcpu), code_(code) {}

    /// state.rip is at the instruction, `next` behind it; on success it is where execution goes on
    /// (which may be the same place again for a repeated string instruction). Registers that a C++ function
    /// keeps must be left as they are: translated code still holds them. Light.
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
    [[nodiscard]] bool pop_flags(u64 next, unsigned slot);
    [[nodiscard]] bool load_segment(x86::Segment name, u16 selector, u64 next);
    [[nodiscard]] bool pop_segment(x86::Segment name, u64 next, unsigned slot);
    [[nodiscard]] bool may_use_sysenter() const;
    [[nodiscard]] bool sysenter(u64 next);
    [[nodiscard]] bool sysexit();
    [[nodiscard]] bool interrupt_return32();
    [[nodiscard]] bool save_extended(u64 where, u64 next, const FastCallSite& site);
    [[nodiscard]] bool restore_extended(u64 where, u64 next, const FastCallSite& site);
    void keep_upper_registers(u64 requested);
    [[nodiscard]] bool spin_wait(u64 next);
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

    Vcpu& vcpu_;
    std::span<const u8> code_;
    ExtendedState image_;    // of XSAVEC and XRSTOR, out of the guest's reach
    ExtendedState present_;  // registers as they are, where XRSTOR leaves some alone
};

}  // namespace softmetal::translator
