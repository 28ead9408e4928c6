// Serves debuggers, one after another, on a thread of its own: a connection's bytes to a session and back.
// The sockets come from the trusted parent.
#pragma once

#include "gdb_stub/session.hpp"
#include "host/event_loop.hpp"
#include "host/unique_fd.hpp"
#include "machine/machine.hpp"

#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace softmetal::machine {

class GdbServer {
 public:
    /// `wait`: the machine, which must not run yet, halts until the first debugger lets it go on.
    [[nodiscard]] static Result<std::unique_ptr<GdbServer>> create(Machine& machine, bool wait);
    ~GdbServer();
    GdbServer(const GdbServer&) = delete;
    GdbServer& operator=(const GdbServer&) = delete;

    /// Takes the place of an earlier connection. Any thread.
    void connect(host::UniqueFd socket);
    /// Tells the debugger how the machine has ended, and ends the thread.
    void finish(const MachineEnd& end);

 private:
    GdbServer(Machine& machine, std::unique_ptr<host::EventLoop> loop);
    void begin(host::UniqueFd socket);
    void exchange(host::Readiness ready);
    void send();
    void disconnect();

    Machine& machine_;
    std::unique_ptr<host::EventLoop> loop_;
    // The thread's own:
    host::UniqueFd socket_;
    std::unique_ptr<host::EventLoop::Watch> watch_;
    std::unique_ptr<gdb_stub::Session> session_;
    std::string outgoing_;
    std::thread thread_;
};

}  // namespace softmetal::machine
