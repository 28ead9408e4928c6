#include "console.hpp"

#include "complain.hpp"
#include "host/byte_socket.hpp"

#include <array>
#include <fmt/format.h>

namespace softmetal {
namespace {

constexpr int standard_input = 0;
constexpr int standard_output = 1;
constexpr std::size_t buffer_bytes = 64 * 1024;

using host::TransferStatus;

void drop_front(std::vector<u8>& bytes, std::size_t count) {
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace

Console::Console(host::EventLoop& loop, Events events) : loop_(loop), events_(std::move(events)) {}
Console::~Console() = default;

Result<std::unique_ptr<Console>> Console::create(host::EventLoop& loop, Events events) {
    std::unique_ptr<Console> console(new Console(loop, std::move(events)));
    if (auto opened = console->open(); !opened) return std::unexpected(opened.error());
    return console;
}

Result<> Console::open() {
    output_ = standard_output;
    if (host::is_terminal(standard_output)) {
        private_output_ = host::reopen_without_waiting(standard_output);
        if (private_output_.valid()) output_ = private_output_.get();
    }
    auto output = loop_.watch(output_, {}, [this](host::Readiness) { write_user(); });
    if (!output) return std::unexpected(output.error());
    output_watch_ = std::move(*output);

    if (host::is_terminal(standard_input)) {
        // Reading from a terminal in the background would stop us.
        input_ended_ = !host::is_in_foreground(standard_input);
        if (!input_ended_) {
            auto raw = host::RawTerminal::enter(standard_input);
            if (!raw) return std::unexpected(raw.error());
            terminal_.emplace(std::move(*raw));
            notify("softmetal: Ctrl-A x quits, Ctrl-A h lists more keys\n");
        }
    }
    auto input = loop_.watch(standard_input, {}, [this](host::Readiness) { read_user(); });
    if (!input) return std::unexpected(input.error());
    input_watch_ = std::move(*input);
    return {};
}

Result<> Console::connect(host::UniqueFd serial) {
    serial_watch_.reset();
    serial_ = std::move(serial);
    auto watch = loop_.watch(serial_.get(), {}, [this](host::Readiness ready) {
        if (ready.write) write_guest();
        if (ready.read) read_guest();
    });
    if (!watch) return std::unexpected(watch.error());
    serial_watch_ = std::move(*watch);
    update_watches();
    return {};
}

void Console::update_watches() {
    input_watch_->set_interest({.read = !input_ended_ && to_guest_.size() < buffer_bytes});
    output_watch_->set_interest({.write = !to_user_.empty()});
    if (serial_watch_) serial_watch_->set_interest({to_user_.size() < buffer_bytes, !to_guest_.empty()});
}

void Console::read_user() {
    std::array<u8, 4096> buffer;
    const host::Transfer transfer = host::read_ready(standard_input, buffer);
    if (transfer.status == TransferStatus::again) return;
    if (transfer.status != TransferStatus::moved) {
        input_ended_ = true;  // the guest goes on without input
        return update_watches();
    }
    const std::span<const u8> keys(buffer.data(), transfer.count);
    if (!terminal_) {
        to_guest_.insert(to_guest_.end(), keys.begin(), keys.end());
    } else {
        for (const EscapeKeys::Action action : escape_keys_.filter(keys, to_guest_)) handle(action);
    }
    update_watches();
}

void Console::handle(EscapeKeys::Action action) {
    if (action == EscapeKeys::Action::help) return notify(fmt::format("\n{}", escape_keys_help));
    events_.action(action);
}

void Console::write_guest() {
    if (to_guest_.empty()) return;
    const host::Transfer transfer = host::send_now(serial_.get(), to_guest_);
    if (transfer.status == TransferStatus::moved) drop_front(to_guest_, transfer.count);
    // Gone: what is left waits for the machine's next start, if there is one.
    if (transfer.status == TransferStatus::failed)
        serial_watch_->set_interest({.read = true});
    else
        update_watches();
}

void Console::read_guest() {
    std::array<u8, 16384> buffer;
    const host::Transfer transfer = host::receive_now(serial_.get(), buffer);
    if (transfer.status == TransferStatus::again) return;
    if (transfer.status != TransferStatus::moved) return close_serial();
    if (!output_failed_)
        to_user_.insert(to_user_.end(), buffer.begin(),
                        buffer.begin() + static_cast<std::ptrdiff_t>(transfer.count));
    update_watches();
}

void Console::close_serial() {
    serial_watch_.reset();
    serial_ = host::UniqueFd();
    events_.changed();
}

void Console::write_user() {
    const host::Transfer transfer = host::write_ready(output_, to_user_);
    if (transfer.status == TransferStatus::again) return;
    if (transfer.status == TransferStatus::moved) {
        drop_front(to_user_, transfer.count);
    } else {
        output_failed_ = true;
        to_user_.clear();
        events_.output_failed(fmt::format("cannot write the guest's console to standard output: {}",
                                          host::error_text(transfer.error)));
    }
    update_watches();
    if (finished()) events_.changed();
}

void Console::notify(std::string_view text) const {
    std::string shown;
    for (const char c : text) {
        if (c == '\n' && terminal_) shown += '\r';
        shown += c;
    }
    print_error_text(shown);
}

void Console::restore_terminal() {
    if (terminal_) terminal_->restore();
}

void Console::make_terminal_raw_again() {
    if (terminal_) terminal_->enter_again();
}

}  // namespace softmetal
