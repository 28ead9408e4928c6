#include "supervisor.hpp"

#include "display/png_file.hpp"
#include "host/byte_socket.hpp"
#include "host/monotonic_time.hpp"

#include <array>
#include <csignal>
#include <utility>

namespace softmetal {
namespace {

constexpr u64 second = 1'000'000'000;
constexpr u64 time_to_stop = 5 * second;   // for the machine, its disks flushed
constexpr u64 time_to_flush = 2 * second;  // for standard output, after we were told to stop

}  // namespace

Supervisor::Supervisor(std::unique_ptr<host::EventLoop> loop, host::SignalWatch signals)
    : loop_(std::move(loop)), signals_(std::move(signals)) {}
Supervisor::~Supervisor() = default;

Result<std::unique_ptr<Supervisor>> Supervisor::create() {
    auto loop = host::EventLoop::create();
    if (!loop) return std::unexpected(loop.error());
    auto signals = host::SignalWatch::create({SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCHLD});
    if (!signals) return std::unexpected(signals.error());
    std::unique_ptr<Supervisor> supervisor(new Supervisor(std::move(*loop), std::move(*signals)));
    if (auto attached = supervisor->attach(); !attached) return std::unexpected(attached.error());
    return supervisor;
}

Result<> Supervisor::attach() {
    deadline_ = loop_->create_timer([this] { on_deadline(); });
    auto watch = loop_->watch(signals_.fd(), {.read = true}, [this](host::Readiness) { on_signals(); });
    if (!watch) return std::unexpected(watch.error());
    signal_watch_ = std::move(*watch);
    auto console =
        Console::create(*loop_, {.action = [this](EscapeKeys::Action action) { on_action(action); },
                                 .output_failed =
                                     [this](const std::string& error) {
                                         end_.output_error = error;
                                         stop_machine();
                                     },
                                 .changed = [this] { check_over(); }});
    if (!console) return std::unexpected(console.error());
    console_ = std::move(*console);
    return {};
}

Result<> Supervisor::open_gdb_door(std::unique_ptr<host::ListeningSocket> listener) {
    console_->notify("softmetal: gdb can attach with: target remote " + listener->address() + "\n");
    auto door = GdbDoor::create(*loop_, std::move(listener), [this](int socket) {
        const std::array descriptors = {socket};
        return control_ && !process_over_ &&
               control_->send(encode(machine::Command::attach_debugger), descriptors);
    });
    if (!door) return std::unexpected(door.error());
    gdb_door_ = std::move(*door);
    return {};
}

Result<> Supervisor::open_vnc_door(std::unique_ptr<host::ListeningSocket> listener,
                                   const display::VncRequest& request) {
    auto door = VncDoor::create(std::move(listener), request);
    if (!door) return std::unexpected(door.error());
    vnc_door_ = std::move(*door);
    console_->notify("softmetal: VNC viewers can connect to " + vnc_door_->address() + "\n");
    return {};
}

Result<> Supervisor::open_control_door(std::unique_ptr<host::ListeningSocket> listener) {
    auto door = ControlDoor::create(
        *loop_, std::move(listener),
        {.attach_viewer = [this] { return attach_viewer(); },
         .set_memory = [this](u64 bytes) -> Result<> {
             if (!control_ || process_over_) return fail("no machine runs");
             return control_->send(machine::encode_memory_target(bytes));
         },
         .report_memory =
             [this](host::ControlSocket conversation) { ask_for_memory_status(std::move(conversation)); }});
    if (!door) return std::unexpected(door.error());
    control_door_ = std::move(*door);
    return {};
}

Result<> Supervisor::use_serial_lines(std::vector<SerialLine> lines) {
    for (SerialLine& line : lines) {
        LineEnd& end = serial_lines_.emplace_back(LineEnd{.file = std::move(line.file), .door = nullptr});
        if (!line.listener) continue;
        auto door = SerialDoor::create(*loop_, std::move(line.listener));
        if (!door) return std::unexpected(door.error());
        end.door = std::move(*door);
    }
    return {};
}

Result<LifeEnd> Supervisor::run(const machine::StartRequest& request, const std::vector<int>& files) {
    end_ = {};
    process_over_ = false;
    if (auto started = start(request, files); !started) return std::unexpected(started.error());
    loop_->run();
    if (last_picture_) [[maybe_unused]]
        const auto received = last_picture_->receive();
    deadline_->disarm();
    memory_conversations_.clear();
    control_watch_.reset();
    control_.reset();
    child_.reset();
    return std::move(end_);
}

Result<> Supervisor::start(const machine::StartRequest& request, const std::vector<int>& files) {
    auto control = host::ControlSocket::create_pair();
    if (!control) return std::unexpected(control.error());
    auto serial = host::create_byte_socket_pair();
    if (!serial) return std::unexpected(serial.error());
    auto child = host::ChildProcess::start_self({"softmetal", "vm-process"}, control->second.take_fd());
    if (!child) return std::unexpected(child.error());
    child_.emplace(std::move(*child));
    control_.emplace(std::move(control->first));

    std::vector<int> descriptors = {serial->second.get()};
    descriptors.insert(descriptors.end(), files.begin(), files.end());
    descriptors.insert(descriptors.end(), cables_.begin(), cables_.end());
    std::vector<host::UniqueFd> lines;  // until they are sent
    for (const LineEnd& line : serial_lines_) {
        if (line.door) {
            auto end = line.door->connect_machine();
            if (!end) return std::unexpected(end.error());
            lines.push_back(std::move(*end));
        }
        descriptors.push_back(line.door ? lines.back().get() : line.file.get());
    }
    machine::StartRequest complete = request;
    host::UniqueFd machines_end;
    if (keeps_last_picture_) {
        auto link = display::ScreenViewer::create();
        if (!link) return std::unexpected(link.error());
        last_picture_.emplace(std::move(link->first));
        machines_end = std::move(link->second);
        complete.has_viewer = true;
        descriptors.push_back(machines_end.get());
        descriptors.push_back(last_picture_->surface().fd());
    }
    // Where the VM process has died already, the loop will hear of it, and how.
    if (auto sent = control_->send(encode(complete), descriptors); !sent && !control_->is_abandoned())
        return sent;
    if (vnc_door_) {
        auto viewer = attach_viewer();
        if (!viewer && !control_->is_abandoned()) return std::unexpected(viewer.error());
        // Where the VNC server's process is gone, that has been said already.
        if (viewer) [[maybe_unused]]
            const auto shown = vnc_door_->show(viewer->fd(), viewer->surface().fd());
    }
    if (auto connected = console_->connect(std::move(serial->first)); !connected) return connected;
    auto watch = loop_->watch(control_->fd(), {.read = true}, [this](host::Readiness) { on_control(); });
    if (!watch) return std::unexpected(watch.error());
    control_watch_ = std::move(*watch);
    return {};
}

/// A new link to the screen of the machine that runs; this end of it.
Result<display::ScreenViewer> Supervisor::attach_viewer() {
    if (!control_ || process_over_) return fail("no machine runs");
    auto link = display::ScreenViewer::create();
    if (!link) return std::unexpected(link.error());
    const std::array descriptors = {link->second.get(), link->first.surface().fd()};
    if (auto sent = control_->send(encode(machine::Command::attach_viewer), descriptors); !sent)
        return std::unexpected(sent.error());
    return std::move(link->first);
}

void Supervisor::ask_for_memory_status(host::ControlSocket conversation) {
    constexpr std::size_t most_conversations = 16;
    if (!control_ || process_over_ || memory_conversations_.size() >= most_conversations) return;
    if (control_->send(encode(machine::Command::report_memory)))
        memory_conversations_.push_back(std::move(conversation));
}

void Supervisor::tell_memory_status(const machine::MemoryStatus& status) {
    std::vector<u8> answer = encode(status);
    answer.insert(answer.begin(), static_cast<u8>(display::ControlRequest::report_memory));
    for (host::ControlSocket& conversation : memory_conversations_)
        [[maybe_unused]] const auto sent = conversation.send(answer);
    memory_conversations_.clear();
}

void Supervisor::on_control() {
    auto received = control_->receive();
    if (received && *received && !end_.report) {
        if (const auto status = machine::decode_memory_status((*received)->bytes))
            return tell_memory_status(*status);
        end_.report = machine::decode_end_report((*received)->bytes);
        if (end_.report) return;
    }
    // The end of the conversation, or of our patience with it.
    control_watch_->set_interest({});
}

void Supervisor::on_signals() {
    while (const auto signal = signals_.next()) {
        if (*signal == SIGTSTP) {
            suspend();
            continue;
        }
        if (*signal != SIGCHLD) {
            on_stop_signal(*signal);
            continue;
        }
        if (const auto death = network_ ? network_->take_death() : std::nullopt)
            notify("softmetal: the network process " + *death + "; the guest's network is gone\n");
        if (const auto ended = child_ && !process_over_ ? child_->poll() : std::nullopt) {
            process_over_ = true;
            end_.process = *ended;
            // Its report may still be on its way through the loop; nobody can add to it any more.
            if (!end_.report) on_control();
            check_over();
        }
        if (const auto ended = vnc_door_ ? vnc_door_->poll() : std::nullopt)
            console_->notify("softmetal: the VNC server is gone: it " + ended->description() + "\n");
    }
}

void Supervisor::on_stop_signal(int signal) {
    if (end_.signal != 0) {  // told twice
        child_->kill();
        return loop_->stop();
    }
    end_.signal = signal;
    stop_machine();
}

void Supervisor::on_action(EscapeKeys::Action action) {
    if (action == EscapeKeys::Action::press_power_button) return send(machine::Command::press_power_button);
    if (end_.quit) {
        child_->kill();
        return loop_->stop();
    }
    end_.quit = true;
    stop_machine();
}

void Supervisor::stop_machine() {
    send(machine::Command::stop);
    if (!process_over_) deadline_->arm(host::monotonic_nanoseconds() + time_to_stop);
    check_over();
}

void Supervisor::on_deadline() {
    if (process_over_) return loop_->stop();
    end_.had_to_be_killed = true;
    child_->kill();
}

/// Where it does not arrive the process is over, which SIGCHLD tells.
void Supervisor::send(machine::Command command) {
    if (control_ && !process_over_) [[maybe_unused]]
        const auto sent = control_->send(encode(command));
}

void Supervisor::check_over() {
    if (!process_over_) return;
    if (gdb_door_) gdb_door_->finish();
    for (const LineEnd& line : serial_lines_)
        if (line.door) line.door->finish();
    if (console_->finished()) return loop_->stop();
    const bool told_to_stop = end_.signal != 0 || end_.quit;
    if (told_to_stop) deadline_->arm(host::monotonic_nanoseconds() + time_to_flush);
}

void Supervisor::suspend() {
    console_->restore_terminal();
    if (child_) child_->suspend();
    host::stop_self();
    if (child_) child_->resume();
    console_->make_terminal_raw_again();
}

Result<> Supervisor::write_last_picture(const std::string& path) const {
    if (!last_picture_ || last_picture_->width() == 0) return fail("the machine has left no picture");
    return display::write_png(path, last_picture_->width(), last_picture_->height(), last_picture_->pixels());
}

void Supervisor::restore_terminal() { console_->restore_terminal(); }

}  // namespace softmetal
