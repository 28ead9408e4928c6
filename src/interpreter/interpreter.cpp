#include "interpreter/interpreter.hpp"

#include "cpu/event_delivery.hpp"
#include "decoder/decoder.hpp"
#include "interpreter/breakpoints.hpp"
#include "interpreter/operation_cache.hpp"

#include <Zydis/Zydis.h>
#include <algorithm>
#include <utility>

namespace softmetal {

namespace {

namespace flags = x86::flags;
using interpreter::CachedOperation;
using x86::Segment;

constexpr unsigned fetch_bytes = 16;  // what one comparison with a cached operation reads
constexpr unsigned longest = 15;      // bytes of an instruction

/// Instructions that clear TF on their way into, or out of, the kernel make no single-step trap of their own
/// then.
bool changes_level(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_INT:
        case ZYDIS_MNEMONIC_INT1:
        case ZYDIS_MNEMONIC_INT3:
        case ZYDIS_MNEMONIC_INTO:
        case ZYDIS_MNEMONIC_SYSCALL:
        case ZYDIS_MNEMONIC_SYSRET: return true;
        default: return false;
    }
}

bool repeats(const Instruction& i) {
    return i.category == ZYDIS_CATEGORY_STRINGOP || i.category == ZYDIS_CATEGORY_IOSTRINGOP;
}

}  // namespace

struct Interpreter::Parts {
    explicit Parts(Vcpu& v) : vcpu(v), state(v.state) {}

    Vcpu& vcpu;
    CpuState& state;
    interpreter::OperationCache cache;
    u64 start = 0;  // RIP of the instruction in progress

    /// The operation at RIP. Raises what fetching it raises.
    const CachedOperation& fetch() {
        const unsigned mode = state.code_size();
        const GuestLinear at{state.linear_rip()};
        if (mode == 8 || state.rip + fetch_bytes <= state.seg(Segment::cs).limit) [[likely]] {
            const auto p = static_cast<unsigned>(vcpu.mmu.fetch_privilege());
            if (const u8* host = vcpu.block.tlb.execute[p].find(at, fetch_bytes)) [[likely]] {
                const CachedOperation& found = cache.slot(at.value);
                if (found.matches(host, mode)) [[likely]]
                    return found;
            }
        }
        return fetch_slowly(at, mode);
    }

    /// Copies code bytes up to the end of their page; answers how many.
    unsigned fetch_page(GuestLinear at, u8* into, unsigned most) {
        const auto place = vcpu.mmu.fill(at, Access::execute, vcpu.mmu.fetch_privilege());
        if (!place) throw place.error();
        const auto size = static_cast<unsigned>(std::min<u64>(most, page_size - at.offset()));
        // Not in the TLB where a debugger has a breakpoint in the page.
        const u8* ram = place->host ? place->host : vcpu.memory.pointer(place->physical);
        if (ram) {
            std::memcpy(into, ram, size);
        } else {
            for (unsigned n = 0; n < size; n++)
                into[n] = static_cast<u8>(vcpu.mmio.read(place->physical.value + n, 1));
        }
        return size;
    }

    const CachedOperation& fetch_slowly(GuestLinear at, unsigned mode) {
        std::array<u8, fetch_bytes> bytes{};
        unsigned most = longest;
        if (mode != 8) {
            const u64 limit = state.seg(Segment::cs).limit;
            if (state.rip > limit) raise_gp();
            most = static_cast<unsigned>(std::min<u64>(most, limit - state.rip + 1));
        }
        unsigned have = fetch_page(at, bytes.data(), most);
        CachedOperation& slot = cache.slot(at.value);
        const Instruction& cached = slot.operation.instruction;
        if (cached.length <= have && slot.matches(bytes.data(), mode)) return slot;

        auto decoded = decode(std::span(bytes).first(have), mode);
        if (!decoded && decoded.error() == DecodeError::truncated && have < most) {
            GuestLinear next = at + have;
            if (mode != 8) next.value &= 0xffffffff;
            have += fetch_page(next, bytes.data() + have, most - have);
            decoded = decode(std::span(bytes).first(have), mode);
        }
        if (!decoded) {
            if (decoded.error() == DecodeError::invalid) raise_ud();
            raise_gp();  // too long, or truncated by the segment's end
        }
        slot = interpreter::make_operation(vcpu.model, *decoded);
        return slot;
    }

    void execute(const CachedOperation& found) {
        const interpreter::Operation& operation = found.operation;
        const Instruction& i = operation.instruction;
        state.rip += i.length;
        if (i.mode != 8) state.rip &= 0xffffffff;
        if (found.conditions) interpreter::check_conditions(state, found.conditions);
        operation.run(vcpu, i, operation.extra);
    }

    /// No single-stepping, breakpoint, RF, shadow, IGNNE# or debugger to look after?
    [[nodiscard]] bool plain() const {
        return !((state.rflags & (flags::tf | flags::rf)) | (state.dr7 & 0xff) |
                 static_cast<u64>(state.shadow) | state.ignores_x87_error | vcpu.debugger.active());
    }

    /// One instruction with everything that plain() leaves out. Nothing happens where a debugger's breakpoint
    /// comes before it.
    void execute_carefully() {
        state.ignores_x87_error &= state.extended.x87_exception_pending();
        if (!vcpu.debugger.active()) {
            execute_with_traps();
            return;
        }
        const GuestLinear at{state.linear_rip()};
        if (vcpu.debugger.stops_before(at))
            return vcpu.stop_for_debugger({DebuggerStop::Reason::breakpoint, {}});
        vcpu.debugger.executed(at, false);  // also where it faults
        const bool unfinished = execute_with_traps();
        vcpu.debugger.executed(at, unfinished);
    }

    /// TF, RF, the shadow and the guest's own breakpoints (SDM vol. 3, ch. 6.8.3 and 17.3). True where a
    /// repeated string instruction has iterations left.
    bool execute_with_traps() {
        const bool held_off = state.shadow == InterruptShadow::mov_ss;
        state.shadow = InterruptShadow::none;
        const u64 held = std::exchange(state.held_breakpoints, 0);
        const bool watching = interpreter::breakpoints_enabled(state);
        // Intel's MOV SS holds off instruction breakpoints too, AMD's does not.
        if (watching && !(held_off && !vcpu.model.is_amd()) && !(state.rflags & flags::rf))
            if (const u64 hits = interpreter::instruction_breakpoints(state, {state.linear_rip()}))
                throw GuestException{.vector = x86::Vector::debug, .dr6 = hits};
        const bool stepping = state.rflags & flags::tf;
        const CachedOperation& found = fetch();
        state.rflags &= ~flags::rf;  // a fault sets it again in the flags it pushes
        const Instruction& i = found.operation.instruction;
        bool unfinished = false;
        if (!watching) {
            execute(found);
            unfinished = state.rip == start && repeats(i);
            // A step in the middle of REP pushes RF on Intel's processors (SDM vol. 3, ch. 17.3.1.1), not on
            // AMD's.
            if (unfinished && stepping && !vcpu.model.is_amd()) state.rflags |= flags::rf;
            trap_after(i, stepping, held);
        } else {
            state.rip += i.length;  // what addresses count from
            const interpreter::WatchedAccesses accesses(state, i);
            state.rip = start;
            execute(found);
            // Between the iterations of REP an instruction breakpoint does not hit again.
            unfinished = state.rip == start && repeats(i);
            if (unfinished) state.rflags |= flags::rf;
            trap_after(i, stepping, held | accesses.hits(state));
        }
        return unfinished;
    }

    void trap_after(const Instruction& i, bool stepping, u64 dr6) {
        if (state.shadow == InterruptShadow::mov_ss) {
            state.held_breakpoints = dr6;  // a single step is not held but dropped (SDM vol. 3, ch. 6.8.3)
            return;
        }
        if (i.mnemonic == ZYDIS_MNEMONIC_INT1) {  // is a #DB itself: what else there was comes with it
            state.dr6 |= dr6;
            return;
        }
        if (stepping && !(changes_level(i) && !(state.rflags & flags::tf))) dr6 |= x86::dr6::single_step;
        if (dr6) throw GuestException{.vector = x86::Vector::debug, .trap = true, .dr6 = dr6};
    }

    void deliver(const GuestException& exception) {
        if (!exception.trap) state.rip = start;
        deliver_exception(vcpu, exception);
    }

    [[nodiscard]] bool goes_on() const {
        return !(vcpu.block.attention.load(std::memory_order_relaxed) |
                 (vcpu.block.interrupt_waits_for & state.rflags)) &&
               state.activity == Activity::running;
    }

    /// The loop proper, without a handler around each instruction; counts down `budget`.
    void run(u64& budget) {
        while (budget && goes_on()) {
            budget--;
            start = state.rip;
            if (plain()) [[likely]]
                execute(fetch());
            else
                execute_carefully();
        }
    }
};

Interpreter::Interpreter(Vcpu& vcpu) : parts_(std::make_unique<Parts>(vcpu)) {}
Interpreter::~Interpreter() = default;

void Interpreter::step() {
    Parts& p = *parts_;
    p.vcpu.counters.instructions_interpreted++;
    p.start = p.state.rip;
    try {
        if (p.plain())
            p.execute(p.fetch());
        else
            p.execute_carefully();
    } catch (const GuestException& exception) {
        p.deliver(exception);
    }
}

void Interpreter::run(u64 budget) {
    Parts& p = *parts_;
    const u64 whole = budget;
    while (budget && p.goes_on()) {
        try {
            p.run(budget);
        } catch (const GuestException& exception) {
            p.deliver(exception);
        }
    }
    p.vcpu.counters.instructions_interpreted += whole - budget;
}

}  // namespace softmetal
