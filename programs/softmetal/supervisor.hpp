// The trusted side of a running virtual machine: starts its jailed process, relays its console, obeys signals
// and keys, and learns how it ended.
#pragma once

#include "base/result.hpp"
#include "console.hpp"
#include "control_door.hpp"
#include "display/screen_viewer.hpp"
#include "gdb_door.hpp"
#include "host/child_process.hpp"
#include "host/control_socket.hpp"
#include "host/event_loop.hpp"
#include "host/signal_watch.hpp"
#include "machine/vm_process/protocol.hpp"
#include "network_child.hpp"
#include "serial_door.hpp"
#include "serial_options.hpp"
#include "vnc_door.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace softmetal {

/// How one life of a machine ended; what is absent did not happen.
struct LifeEnd {
    std::optional<machine::EndReport> report;  // none where the VM process died without a word
    host::ProcessEnd process;
    int signal = 0;                 // that told us to stop
    bool quit = false;              // the user did
    std::string output_error;       // standard output failed
    bool had_to_be_killed = false;  // it did not stop when told to
};

class Supervisor {
 public:
    /// Takes the terminal and the signals over.
    [[nodiscard]] static Result<std::unique_ptr<Supervisor>> create();
    /// From here on debuggers that connect are let in to the machine.
    [[nodiscard]] Result<> open_gdb_door(std::unique_ptr<host::ListeningSocket> listener);
    /// From the next start on VNC viewers see the machine.
    [[nodiscard]] Result<> open_vnc_door(std::unique_ptr<host::ListeningSocket> listener,
                                         const display::VncRequest& request);
    /// Whose cable every life of the machine gets, as its first card's.
    void use_network(std::unique_ptr<NetworkChild> network) {
        cables_.push_back(network->cable());
        network_ = std::move(network);
    }
    void use_cable(host::UniqueFd cable) {
        cables_.push_back(cable.get());
        switch_cables_.push_back(std::move(cable));
    }
    /// The lines of the request, in its order.
    [[nodiscard]] Result<> use_serial_lines(std::vector<SerialLine> lines);
    ~Supervisor();
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    /// Starts the machine and returns when it is over. `files` are the request's descriptors from
    /// the serial port's on to the last disk's; they stay the caller's.
    [[nodiscard]] Result<LifeEnd> run(const machine::StartRequest& request, const std::vector<int>& files);
    /// From here on other commands reach the machine.
    [[nodiscard]] Result<> open_control_door(std::unique_ptr<host::ListeningSocket> listener);
    /// From the next start on the picture at the machine's end is kept.
    void keep_last_picture() { keeps_last_picture_ = true; }
    /// As a PNG file; fails where there was none.
    [[nodiscard]] Result<> write_last_picture(const std::string& path) const;
    void restore_terminal();
    void notify(const std::string& text) const { console_->notify(text); }

 private:
    Supervisor(std::unique_ptr<host::EventLoop> loop, host::SignalWatch signals);
    [[nodiscard]] Result<> attach();
    [[nodiscard]] Result<> start(const machine::StartRequest& request, const std::vector<int>& files);
    void on_signals();
    void on_stop_signal(int signal);
    void on_control();
    void on_action(EscapeKeys::Action action);
    void on_deadline();
    void suspend();
    void send(machine::Command command);
    [[nodiscard]] Result<display::ScreenViewer> attach_viewer();
    void ask_for_memory_status(host::ControlSocket conversation);
    void tell_memory_status(const machine::MemoryStatus& status);
    void stop_machine();
    void check_over();

    std::unique_ptr<host::EventLoop> loop_;
    host::SignalWatch signals_;
    std::unique_ptr<Console> console_;
    std::optional<host::ChildProcess> child_;
    std::optional<host::ControlSocket> control_;
    std::unique_ptr<GdbDoor> gdb_door_;
    std::unique_ptr<NetworkChild> network_;
    std::vector<host::UniqueFd> switch_cables_;
    std::vector<int> cables_;  // of all network cards, in order
    std::unique_ptr<VncDoor> vnc_door_;
    std::unique_ptr<ControlDoor> control_door_;
    std::vector<host::ControlSocket> memory_conversations_;  // that wait for the machine's answer
    struct LineEnd {
        host::UniqueFd file;
        std::unique_ptr<SerialDoor> door;  // one of the two
    };
    std::vector<LineEnd> serial_lines_;
    LifeEnd end_;
    bool process_over_ = false;
    bool keeps_last_picture_ = false;
    std::optional<display::ScreenViewer> last_picture_;
    std::unique_ptr<host::EventLoop::Timer> deadline_;
    std::unique_ptr<host::EventLoop::Watch> signal_watch_, control_watch_;
};

}  // namespace softmetal
