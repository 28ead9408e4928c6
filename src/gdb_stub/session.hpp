// One debugger's conversation with the machine: packets in, answers out (GDB manual, appendix E.2 to E.4). It
// knows no socket; its owner carries the bytes and tells it when a vCPU has stopped or the machine has ended.
#pragma once

#include "gdb_stub/packet.hpp"
#include "gdb_stub/registers.hpp"
#include "monitor/debug_control.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace softmetal::gdb_stub {

/// What the debugger may do to the machine as a whole.
struct MachineActions {
    std::function<void()> stop, reset, press_power_button;
};

class Session {
 public:
    /// The machine is halted, as GDB expects to find it. `stopped` is DebugControl::attach()'s.
    Session(monitor::DebugControl& control, MachineActions actions, std::function<void()> stopped);
    /// The machine runs on without the debugger, where it still can.
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void receive(std::span<const u8> bytes);
    /// A vCPU has a reason to stop.
    void machine_stopped();
    /// `crashed`: by a triple fault or an error of ours.
    void machine_ended(bool crashed);

    /// What is to be sent since the last call.
    [[nodiscard]] std::string take_output();
    /// Nothing more will be said.
    [[nodiscard]] bool finished() const { return finished_; }

 private:
    using Arguments = std::string_view;
    struct Command {
        std::string_view name;  // the packet begins with it; the first match in the table counts
        void (Session::*handler)(Arguments rest);
        bool while_running = false;
    };
    static const std::vector<Command>& commands();

    void answer(std::string_view payload);
    void answer_error(unsigned number);
    void obey(std::string_view packet);
    void interrupt();
    void report_stop();
    [[nodiscard]] std::string stop_reply() const;
    void resume(std::span<const monitor::DebugControl::Resumption> how);

    // Registers and memory
    void read_registers(Arguments);
    void write_registers(Arguments);
    void read_register(Arguments);
    void write_register(Arguments);
    void read_memory(Arguments);
    void write_memory_hex(Arguments);
    void write_memory_binary(Arguments);
    void write_memory(u64 address, std::span<const std::byte> bytes);
    // Running
    void say_why_stopped(Arguments);
    void go_on(Arguments);
    void step(Arguments);
    void go_on_with_signal(Arguments);
    void step_with_signal(Arguments);
    void ask_vcont(Arguments);
    void vcont(Arguments);
    void insert_point(Arguments);
    void remove_point(Arguments);
    void detach(Arguments);
    void kill(Arguments);
    void kill_process(Arguments);
    // Threads: vCPU n is thread n + 1
    void select_thread(Arguments);
    void thread_alive(Arguments);
    void current_thread(Arguments);
    void first_threads(Arguments);
    void more_threads(Arguments);
    void thread_information(Arguments);
    // Questions
    void supported(Arguments);
    void attached(Arguments);
    void target_description(Arguments);
    void no_symbols_needed(Arguments);
    void stop_acknowledging(Arguments);
    void monitor_command(Arguments);

    [[nodiscard]] Vcpu& vcpu() const { return *control_.vcpus()[current_]; }
    /// None for a number of no vCPU.
    [[nodiscard]] std::optional<std::size_t> vcpu_of_thread(std::string_view id) const;

    monitor::DebugControl& control_;
    MachineActions actions_;
    RegisterSet registers_;
    PacketReader reader_;
    std::string output_, last_sent_;
    std::size_t current_ = 0;  // whose registers and address space are asked for (Hg)
    std::size_t runner_ = 0;   // whom `s` steps (Hc)
    std::optional<DebuggerStop> why_;
    std::map<u64, bool> hardware_;  // by address of a breakpoint: was it Z1?
    bool running_ = false, acknowledging_ = true, finished_ = false, attached_ = true;
};

}  // namespace softmetal::gdb_stub
