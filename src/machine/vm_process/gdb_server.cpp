#include "machine/vm_process/gdb_server.hpp"

#include "host/byte_socket.hpp"
#include "host/thread_role.hpp"

#include <array>

namespace softmetal::machine {

using host::TransferStatus;

Result<std::unique_ptr<GdbServer>> GdbServer::create(Machine& machine, bool wait) {
    auto loop = host::EventLoop::create();
    if (!loop) return std::unexpected(loop.error());
    if (wait) machine.debug_control().halt();
    return std::unique_ptr<GdbServer>(new GdbServer(machine, std::move(*loop)));
}

GdbServer::GdbServer(Machine& machine, std::unique_ptr<host::EventLoop> loop)
    : machine_(machine),
      loop_(std::move(loop)),
      thread_(host::start_loop_thread(*loop_, host::ThreadRole::debugger)) {}

GdbServer::~GdbServer() {
    loop_->stop();
    if (thread_.joinable()) thread_.join();
    disconnect();
}

void GdbServer::connect(host::UniqueFd socket) {
    // A task must be copyable.
    auto shared = std::make_shared<host::UniqueFd>(std::move(socket));
    loop_->post([this, shared] { begin(std::move(*shared)); });
}

void GdbServer::begin(host::UniqueFd socket) {
    disconnect();
    socket_ = std::move(socket);
    auto watch =
        loop_->watch(socket_.get(), {.read = true}, [this](host::Readiness ready) { exchange(ready); });
    if (!watch) return disconnect();  // it sees its connection closed
    watch_ = std::move(*watch);
    session_ = std::make_unique<gdb_stub::Session>(
        machine_.debug_control(),
        gdb_stub::MachineActions{.stop = [this] { machine_.request_stop(); },
                                 .reset = [this] { machine_.request_reset(); },
                                 .press_power_button = [this] { machine_.press_power_button(); }},
        [this] {
            loop_->post([this] {
                if (!session_) return;
                session_->machine_stopped();
                send();
            });
        });
}

void GdbServer::exchange(host::Readiness ready) {
    if (ready.write) send();
    if (!ready.read || !session_) return;
    std::array<u8, 16384> buffer;
    const host::Transfer transfer = host::receive_now(socket_.get(), buffer);
    if (transfer.status == TransferStatus::again) return;
    if (transfer.status != TransferStatus::moved) return disconnect();
    session_->receive(std::span(buffer).first(transfer.count));
    send();
}

void GdbServer::send() {
    if (!session_) return;
    outgoing_ += session_->take_output();
    while (!outgoing_.empty()) {
        const auto* bytes = reinterpret_cast<const u8*>(outgoing_.data());
        const host::Transfer transfer = host::send_now(socket_.get(), {bytes, outgoing_.size()});
        if (transfer.status == TransferStatus::again) break;
        if (transfer.status != TransferStatus::moved) return disconnect();
        outgoing_.erase(0, transfer.count);
    }
    if (session_->finished() && outgoing_.empty()) return disconnect();
    // Whoever does not take answers is not asked for more questions.
    watch_->set_interest({.read = outgoing_.empty(), .write = !outgoing_.empty()});
}

/// The machine runs on as if there had been no debugger.
void GdbServer::disconnect() {
    session_.reset();
    watch_.reset();
    socket_ = host::UniqueFd();
    outgoing_.clear();
}

void GdbServer::finish(const MachineEnd& end) {
    const bool crashed = end.reason == EndReason::triple_fault || end.reason == EndReason::internal_error;
    loop_->post([this, crashed] {
        if (session_) {
            session_->machine_ended(crashed);
            send();
        }
        loop_->stop();
    });
    thread_.join();
}

}  // namespace softmetal::machine
