// The frame of the conversation: acknowledgements, which packet goes where, stop replies.
#include "gdb_stub/session.hpp"

#include "gdb_stub/hex.hpp"

#include <fmt/format.h>
#include <utility>

namespace softmetal::gdb_stub {

using Reason = DebuggerStop::Reason;

Session::Session(monitor::DebugControl& control, MachineActions actions, std::function<void()> stopped)
    : control_(control), actions_(std::move(actions)), registers_(control.vcpus().front()->model) {
    control_.attach(std::move(stopped));
    control_.halt();
    if (const auto stop = control_.take_stop()) {
        current_ = stop->vcpu;
        why_ = stop->why;
    }
}

Session::~Session() {
    if (attached_) control_.detach();
}

const std::vector<Session::Command>& Session::commands() {
    // Longer names before those that begin like them.
    static const std::vector<Command> table = {
        {"?", &Session::say_why_stopped},
        {"g", &Session::read_registers},
        {"G", &Session::write_registers},
        {"p", &Session::read_register},
        {"P", &Session::write_register},
        {"m", &Session::read_memory},
        {"M", &Session::write_memory_hex},
        {"X", &Session::write_memory_binary},
        {"c", &Session::go_on},
        {"C", &Session::go_on_with_signal},
        {"s", &Session::step},
        {"S", &Session::step_with_signal},
        {"vCont?", &Session::ask_vcont, true},
        {"vCont", &Session::vcont},
        {"vKill;", &Session::kill_process, true},
        {"Z", &Session::insert_point},
        {"z", &Session::remove_point},
        {"D", &Session::detach, true},
        {"k", &Session::kill, true},
        {"H", &Session::select_thread},
        {"T", &Session::thread_alive},
        {"qC", &Session::current_thread},
        {"qfThreadInfo", &Session::first_threads},
        {"qsThreadInfo", &Session::more_threads},
        {"qThreadExtraInfo,", &Session::thread_information},
        {"qSupported", &Session::supported, true},
        {"qAttached", &Session::attached, true},
        {"qXfer:features:read:target.xml:", &Session::target_description, true},
        {"qSymbol::", &Session::no_symbols_needed, true},
        {"QStartNoAckMode", &Session::stop_acknowledging, true},
        {"qRcmd,", &Session::monitor_command},
    };
    return table;
}

void Session::receive(std::span<const u8> bytes) {
    reader_.feed(bytes);
    while (!finished_) {
        const auto input = reader_.next();
        if (!input) return;
        switch (input->kind) {
            case PacketReader::Kind::interrupt: interrupt(); break;
            case PacketReader::Kind::rejected:
                if (acknowledging_) output_ += last_sent_;
                break;
            case PacketReader::Kind::damaged:
                if (acknowledging_) output_ += '-';
                break;
            case PacketReader::Kind::packet:
                if (acknowledging_) output_ += '+';
                obey(input->payload);
                break;
        }
    }
}

void Session::obey(std::string_view packet) {
    for (const Command& command : commands()) {
        if (!packet.starts_with(command.name)) continue;
        // GDB asks nothing of a running machine; somebody else's question gets no torn answer.
        if (running_ && !command.while_running) return answer_error(1);
        return (this->*command.handler)(packet.substr(command.name.size()));
    }
    answer("");  // not supported
}

std::string Session::take_output() { return std::exchange(output_, {}); }

void Session::answer(std::string_view payload) {
    last_sent_ = frame_packet(payload);
    output_ += last_sent_;
}

void Session::answer_error(unsigned number) { answer(fmt::format("E{:02x}", number)); }

// --- stopping

void Session::interrupt() {
    if (!running_) return;
    control_.halt();
    report_stop();
}

void Session::machine_stopped() {
    if (!running_ || finished_) return;
    control_.halt();
    report_stop();
}

void Session::report_stop() {
    running_ = false;
    why_.reset();
    if (const auto stop = control_.take_stop()) {
        current_ = stop->vcpu;
        why_ = stop->why;
    }
    answer(stop_reply());
}

std::string Session::stop_reply() const {
    constexpr unsigned interrupted = 2, trapped = 5, crashed = 11;  // SIGINT, SIGTRAP, SIGSEGV
    const auto reply = [&](unsigned signal, std::string_view more = "") {
        return fmt::format("T{:02x}thread:{:x};{}", signal, current_ + 1, more);
    };
    if (!why_) return reply(interrupted);
    switch (why_->reason) {
        case Reason::step: break;
        case Reason::shutdown: return reply(crashed);
        case Reason::breakpoint: {
            const auto known = hardware_.find(vcpu().state.linear_rip());
            return reply(trapped, known != hardware_.end() && known->second ? "hwbreak:;" : "swbreak:;");
        }
        case Reason::watchpoint: {
            constexpr const char* names[] = {"watch", "rwatch", "awatch"};
            return reply(trapped, fmt::format("{}:{:x};", names[static_cast<u8>(why_->watchpoint.trigger)],
                                              why_->watchpoint.first));
        }
    }
    return reply(trapped);
}

void Session::say_why_stopped(Arguments) { answer(stop_reply()); }

void Session::machine_ended(bool crashed) {
    if (finished_) return;
    // Said in answer to what made it run; somebody who has it halted has been told to stop it.
    if (running_) answer(crashed ? "X0b" : "W00");
    running_ = false;
    finished_ = true;
}

void Session::detach(Arguments) {
    control_.detach();
    attached_ = false;
    answer("OK");
    finished_ = true;
}

/// There is no answer to this one.
void Session::kill(Arguments) {
    finished_ = true;
    actions_.stop();
}

void Session::kill_process(Arguments) {
    answer("OK");
    finished_ = true;
    actions_.stop();
}

void Session::stop_acknowledging(Arguments) {
    answer("OK");
    acknowledging_ = false;
}

}  // namespace softmetal::gdb_stub
