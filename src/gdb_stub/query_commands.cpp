// Packets about threads (vCPU n is thread n + 1), what the stub can do, and `monitor` commands.
#include "gdb_stub/hex.hpp"
#include "gdb_stub/session.hpp"
#include "gdb_stub/text.hpp"
#include "monitor/register_dump.hpp"

#include <fmt/format.h>
#include <iterator>

namespace softmetal::gdb_stub {
namespace {

constexpr unsigned bad_argument = 22;

constexpr std::string_view monitor_help =
    "monitor info registers  all registers of the current thread's processor\n"
    "monitor power-button    press the power button; the guest sees it once it runs\n"
    "monitor reset           reset the machine; the connection ends\n"
    "monitor quit            end the machine\n"
    "monitor help            this help, as any other word\n";

}  // namespace

// --- threads

std::optional<std::size_t> Session::vcpu_of_thread(std::string_view id) const {
    const auto number = parse_hex(id);
    if (!number || *number == 0 || *number > control_.vcpus().size()) return std::nullopt;
    return *number - 1;
}

/// `Hg thread`, `Hc thread`; 0 is any, -1 all.
void Session::select_thread(Arguments rest) {
    const bool for_running = rest.starts_with('c');
    if (!for_running && !rest.starts_with('g')) return answer_error(bad_argument);
    rest.remove_prefix(1);
    if (rest == "0" || rest == "-1") {
        if (for_running) runner_ = current_;
        return answer("OK");
    }
    const auto n = vcpu_of_thread(rest);
    if (!n) return answer_error(bad_argument);
    (for_running ? runner_ : current_) = *n;
    answer("OK");
}

void Session::thread_alive(Arguments rest) {
    if (vcpu_of_thread(rest)) return answer("OK");
    answer_error(bad_argument);
}

void Session::current_thread(Arguments) { answer(fmt::format("QC{:x}", current_ + 1)); }

void Session::first_threads(Arguments) {
    std::string list = "m";
    for (std::size_t n = 0; n < control_.vcpus().size(); n++)
        fmt::format_to(std::back_inserter(list), "{}{:x}", n ? "," : "", n + 1);
    answer(list);
}

void Session::more_threads(Arguments) { answer("l"); }

void Session::thread_information(Arguments rest) {
    const auto n = vcpu_of_thread(rest);
    if (!n) return answer_error(bad_argument);
    answer(text_to_hex(
        fmt::format("processor {}, {}", *n, monitor::activity_name(control_.vcpus()[*n]->state.activity))));
}

// --- the stub itself

void Session::supported(Arguments) {
    answer(
        fmt::format("PacketSize={:x};QStartNoAckMode+;qXfer:features:read+;swbreak+;hwbreak+;vContSupported+",
                    maximum_payload));
}

/// The machine was there before the debugger: it goes on when the debugger goes.
void Session::attached(Arguments) { answer("1"); }

/// `offset,length`
void Session::target_description(Arguments rest) {
    const auto offset = parse_hex(cut_until(rest, ','));
    const auto length = parse_hex(rest);
    if (!offset || !length) return answer_error(bad_argument);
    const std::string xml = registers_.description();
    if (*offset > xml.size()) return answer_error(bad_argument);
    const std::string part = xml.substr(*offset, std::min<u64>(*length, maximum_payload - 1));
    answer((*offset + part.size() == xml.size() ? "l" : "m") + part);
}

void Session::no_symbols_needed(Arguments) { answer("OK"); }

void Session::monitor_command(Arguments rest) {
    const auto bytes = bytes_from_hex(rest);
    if (!bytes) return answer_error(bad_argument);
    std::string command;
    for (const std::byte b : *bytes) command += static_cast<char>(b);
    if (command == "info registers") return answer(text_to_hex(monitor::register_dump(vcpu().state)));
    if (command == "power-button") {
        actions_.press_power_button();
        return answer("OK");
    }
    if (command == "reset" || command == "quit") {
        answer("OK");
        (command == "reset" ? actions_.reset : actions_.stop)();
        return;
    }
    answer(text_to_hex(monitor_help));
}

}  // namespace softmetal::gdb_stub
