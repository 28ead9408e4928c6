// What a debugger outside the guest asks of one vCPU, and why the vCPU has stopped for it. The guest sees
// none of it: its memory and its debug registers stay its own.
//
// Both engines are reached through the TLB: a page with a breakpoint never enters it for fetches, one with a
// watchpoint never for data (Mmu::fill). So translated code hands all that concerns such a page to the
// interpreter, and that looks here.
#pragma once

#include "cpu/tlb.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace softmetal {

struct Watchpoint {
    enum class Trigger : u8 { write, read, access };
    u64 first = 0;  // linear
    u64 size = 0;
    Trigger trigger = Trigger::write;
    bool operator==(const Watchpoint&) const = default;

    [[nodiscard]] constexpr bool overlaps(u64 start, u64 length) const {
        return first - start < length || start - first < size;
    }
    [[nodiscard]] constexpr bool triggered_by(Access kind) const {
        return trigger == Trigger::access || (trigger == Trigger::write) == (kind == Access::write);
    }
};

struct DebuggerStop {
    enum class Reason : u8 {
        breakpoint,  // before the instruction there
        watchpoint,  // behind the instruction that made the access
        step,
        shutdown,  // triple fault
    };
    Reason reason = Reason::step;
    Watchpoint watchpoint{};  // the one that was hit
};

/// The vCPU's thread; the debugger's while the vCPU stands at the stop gate.
class DebuggerPort {
 public:
    /// Linear addresses, in any address space. True where they are others than before: the TLB's first level
    /// must be emptied then.
    [[nodiscard]] bool set(std::vector<u64> breakpoints, std::vector<Watchpoint> watchpoints) {
        std::ranges::sort(breakpoints);
        const bool changed = breakpoints != breakpoints_ || watchpoints != watchpoints_;
        breakpoints_ = std::move(breakpoints);
        watchpoints_ = std::move(watchpoints);
        active_ = stepping_ || !breakpoints_.empty();
        return changed;
    }
    /// The next run is to stop behind one instruction.
    void set_stepping(bool stepping) {
        stepping_ = stepping;
        active_ = stepping_ || !breakpoints_.empty();
    }
    [[nodiscard]] bool stepping() const { return stepping_; }

    /// Must the interpreter look at breakpoints before an instruction and call executed() behind it?
    [[nodiscard]] bool active() const { return active_; }
    /// A step gets past the breakpoint that it begins at.
    [[nodiscard]] bool stops_before(GuestLinear instruction) const {
        return !stepping_ && std::ranges::binary_search(breakpoints_, instruction.value) &&
               repeating_ != instruction.value;
    }
    /// `unfinished`: a repeated string instruction, with iterations left. It does not meet its breakpoint
    /// again.
    void executed(GuestLinear instruction, bool unfinished) {
        repeating_ = unfinished ? std::optional(instruction.value) : std::nullopt;
    }
    /// Where the next instruction is not the unfinished one any more, it has been finished or left.
    void resumes_at(GuestLinear instruction) {
        if (repeating_ != instruction.value) repeating_.reset();
    }

    // Called in light functions: no vector instructions, no library calls.
    [[nodiscard]] bool watches() const { return !watchpoints_.empty(); }
    [[nodiscard]] bool keeps_out_of_tlb(GuestLinear a, Access access) const {
        if (access == Access::execute) {
            for (const u64 breakpoint : breakpoints_)
                if (GuestLinear{breakpoint}.page() == a.page()) return true;
            return false;
        }
        for (const Watchpoint& w : watchpoints_)
            if (w.overlaps(a.page(), page_size)) return true;
        return false;
    }
    [[nodiscard]] const Watchpoint* watchpoint_hit(GuestLinear a, u64 size, Access access) const {
        for (const Watchpoint& w : watchpoints_)
            if (w.triggered_by(access) && w.overlaps(a.value, size)) return &w;
        return nullptr;
    }

    /// Has this triple fault not been seen by a debugger yet?
    [[nodiscard]] bool first_shutdown() { return !std::exchange(shutdown_seen_, true); }
    void forget_shutdown() { shutdown_seen_ = false; }

    /// The first reason since it was last taken counts.
    void note(const DebuggerStop& stop) {
        if (!stop_) stop_ = stop;
    }
    [[nodiscard]] const std::optional<DebuggerStop>& stop() const { return stop_; }
    void clear_stop() { stop_.reset(); }

 private:
    std::vector<u64> breakpoints_;  // sorted
    std::vector<Watchpoint> watchpoints_;
    bool stepping_ = false, active_ = false, shutdown_seen_ = false;
    std::optional<u64> repeating_;
    std::optional<DebuggerStop> stop_;
};

}  // namespace softmetal
