// Packets that let the machine run, and say where it is to stop.
#include "gdb_stub/hex.hpp"
#include "gdb_stub/session.hpp"
#include "gdb_stub/text.hpp"

#include <algorithm>

namespace softmetal::gdb_stub {

using Resumption = monitor::DebugControl::Resumption;

void Session::resume(std::span<const Resumption> how) {
    running_ = true;
    why_.reset();
    control_.resume(how);
}

/// `c [address]`: all vCPUs, that of Hc first at the address.
void Session::go_on(Arguments rest) {
    if (!rest.empty()) {
        const auto address = parse_hex(rest);
        if (!address) return answer_error(22);
        control_.vcpus()[runner_]->state.rip = *address;
    }
    resume(std::vector(control_.vcpus().size(), Resumption::run));
}

/// `s [address]`: one instruction of Hc's vCPU; the others run meanwhile.
void Session::step(Arguments rest) {
    if (!rest.empty()) {
        const auto address = parse_hex(rest);
        if (!address) return answer_error(22);
        control_.vcpus()[runner_]->state.rip = *address;
    }
    std::vector how(control_.vcpus().size(), Resumption::run);
    how[runner_] = Resumption::step;
    resume(how);
}

/// `C signal[;address]` and `S ...`: there are no signals to deliver to a processor.
void Session::go_on_with_signal(Arguments rest) { go_on(cut_after(rest, ';')); }
void Session::step_with_signal(Arguments rest) { step(cut_after(rest, ';')); }

void Session::ask_vcont(Arguments) { answer("vCont;c;C;s;S"); }

/// `vCont;action[:thread]...`: for each vCPU the leftmost action that names it or nobody. Who is not named
/// stays.
void Session::vcont(Arguments rest) {
    std::vector how(control_.vcpus().size(), Resumption::stay);
    std::vector<bool> decided(how.size());
    if (!rest.starts_with(';')) return answer_error(22);
    rest.remove_prefix(1);
    bool anything = false;
    while (!rest.empty()) {
        std::string_view action = cut_until(rest, ';');
        const std::string_view verb = cut_until(action, ':');
        const std::string_view thread = action;
        Resumption wish;
        if (verb.starts_with('c') || verb.starts_with('C'))
            wish = Resumption::run;
        else if (verb.starts_with('s') || verb.starts_with('S'))
            wish = Resumption::step;
        else
            return answer_error(22);
        const auto decide = [&](std::size_t n) {
            if (!decided[n]) how[n] = wish;
            decided[n] = true;
            anything = true;
        };
        if (thread.empty() || thread == "-1") {
            for (std::size_t n = 0; n < how.size(); n++) decide(n);
        } else if (const auto n = vcpu_of_thread(thread)) {
            decide(*n);
        } else {
            return answer_error(22);
        }
    }
    // With nobody to run there would never be an answer.
    if (!anything) return answer_error(22);
    resume(how);
}

namespace {

struct Point {
    char type;
    u64 address, kind;
};

/// `type,address,kind[;conditions]`; conditions are not announced as supported, so there are none.
std::optional<Point> parse_point(std::string_view text) {
    const std::string_view type = cut_until(text, ',');
    const auto address = parse_hex(cut_until(text, ','));
    const auto kind = parse_hex(cut_until(text, ';'));
    if (type.size() != 1 || !address || !kind) return std::nullopt;
    return Point{type.front(), *address, *kind};
}

/// For watchpoints `kind` is the length.
std::optional<Watchpoint> watchpoint_of(const Point& p) {
    using Trigger = Watchpoint::Trigger;
    if (p.kind == 0) return std::nullopt;
    switch (p.type) {
        case '2': return Watchpoint{p.address, p.kind, Trigger::write};
        case '3': return Watchpoint{p.address, p.kind, Trigger::read};
        case '4': return Watchpoint{p.address, p.kind, Trigger::access};
        default: return std::nullopt;
    }
}

}  // namespace

void Session::insert_point(Arguments rest) {
    const auto point = parse_point(rest);
    if (!point) return answer_error(22);
    if (point->type == '0' || point->type == '1') {
        if (!control_.add_breakpoint(point->address)) return answer_error(28);
        hardware_[point->address] = point->type == '1';
        return answer("OK");
    }
    if (point->type < '2' || point->type > '4') return answer("");
    const auto watchpoint = watchpoint_of(*point);
    if (!watchpoint) return answer_error(22);
    if (!control_.add_watchpoint(*watchpoint)) return answer_error(28);
    answer("OK");
}

void Session::remove_point(Arguments rest) {
    const auto point = parse_point(rest);
    if (!point) return answer_error(22);
    if (point->type == '0' || point->type == '1') {
        hardware_.erase(point->address);
        return control_.remove_breakpoint(point->address) ? answer("OK") : answer_error(2);
    }
    if (point->type < '2' || point->type > '4') return answer("");
    const auto watchpoint = watchpoint_of(*point);
    if (!watchpoint || !control_.remove_watchpoint(*watchpoint)) return answer_error(2);
    answer("OK");
}

}  // namespace softmetal::gdb_stub
