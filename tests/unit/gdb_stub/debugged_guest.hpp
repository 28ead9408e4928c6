// A small guest on a thread of its own, and a debugger's packets to it.
#pragma once

#include "../translator/small_guest.hpp"
#include "gdb_stub/hex.hpp"
#include "gdb_stub/session.hpp"
#include "interpreter/native_thunk.hpp"
#include "monitor/interpreter_engine.hpp"
#include "monitor/run_loop.hpp"
#include "monitor/translator_engine.hpp"

#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <optional>
#include <thread>

namespace softmetal::gdb_stub {

enum class EngineKind { interpreter, translator };

class DebuggedGuest {
 public:
    using Program = std::function<void(softmetal::testing::SmallGuest::Assembler&)>;

    DebuggedGuest(EngineKind kind, const Program& program) : guest(program) {
        EXPECT_TRUE(interpreter::prepare_native_execution());
        if (kind == EngineKind::interpreter)
            engine_ = std::make_unique<monitor::InterpreterEngine>(guest.vcpu);
        else
            engine_ = std::move(*monitor::TranslatorEngine::create(
                guest.vcpu, {.cache_bytes = 1 << 20, .threshold = 0}, coherence_));
        gate_.add(guest.vcpu);
        control.add(guest.vcpu);
        session.emplace(control, MachineActions{[this] { stops++; }, [this] { resets++; }, [] {}},
                        [this] { note_stop(); });
        thread_ = std::thread([this] {
            const host::FaultStack fault_stack;
            const auto how = monitor::run_vcpu(guest.vcpu, *engine_, gate_, &control);
            const std::lock_guard lock(mutex_);
            end = how;
            changed_.notify_all();
        });
    }
    ~DebuggedGuest() {
        gate_.end();
        thread_.join();
        session.reset();
    }

    /// The answer's payload; "(nothing)" where there is none.
    std::string ask(std::string_view packet) {
        send(frame_packet(packet));
        return answer();
    }
    /// Lets the guest run until it stops by itself.
    std::string run(std::string_view packet) {
        send(frame_packet(packet));
        EXPECT_EQ(answer(), "(nothing)") << packet;
        return wait_for_stop();
    }
    std::string wait_for_stop() {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, std::chrono::seconds(60), [this] { return stopped_; }))
            return "(does not stop)";
        stopped_ = false;
        lock.unlock();
        session->machine_stopped();
        return answer();
    }
    std::string interrupt() {
        send("\x03");
        return answer();
    }
    bool ends() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(60), [this] { return end.has_value(); });
    }
    void send(std::string_view bytes) {
        session->receive({reinterpret_cast<const u8*>(bytes.data()), bytes.size()});
    }
    std::string answer() {
        const std::string output = session->take_output();
        PacketReader reader;
        reader.feed({reinterpret_cast<const u8*>(output.data()), output.size()});
        const auto input = reader.next();
        return input ? input->payload : "(nothing)";
    }

    /// By the numbers of the target description: rax is 0, rbx 1, rip 16.
    u64 number(unsigned reg) {
        const auto bytes = bytes_from_hex(ask(fmt::format("p{:x}", reg)));
        u64 value = 0;
        if (bytes && bytes->size() <= 8) std::memcpy(&value, bytes->data(), bytes->size());
        return value;
    }
    static std::string little_endian(u64 value) { return bytes_to_hex(std::as_bytes(std::span(&value, 1))); }

    softmetal::testing::SmallGuest guest;
    std::optional<monitor::RunEnd> end;
    unsigned stops = 0, resets = 0;

 private:
    void note_stop() {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        changed_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopped_ = false;
    monitor::CodeCoherence coherence_{*guest.memory};
    monitor::StopGate gate_;
    std::unique_ptr<monitor::Engine> engine_;
    std::thread thread_;

 public:
    monitor::DebugControl control{gate_, nullptr};
    std::optional<Session> session;
};

}  // namespace softmetal::gdb_stub
