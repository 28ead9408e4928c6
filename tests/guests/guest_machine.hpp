// A machine in this very process, with time, entropy and a serial console that a test can read and type into.
#pragma once

#include "host/event_loop.hpp"
#include "machine/machine.hpp"
#include "machine/vm_process/virtual_time.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

namespace softmetal::guests {

/// What the guest has written, and what it will read.
class Console final : public bus::ByteStream {
 public:
    /// Everything written is also copied to standard output where `echo` is set.
    explicit Console(bool echo) : echo_(echo) {}

    void write(std::span<const u8> bytes) override;
    [[nodiscard]] std::size_t read(std::span<u8> into) override;
    void on_readable(std::function<void()> callback) override { readable_ = std::move(callback); }

    /// Waits until the guest has written `text`; false at the deadline or once the machine has ended.
    [[nodiscard]] bool expect(std::string_view text, std::chrono::milliseconds patience);
    void type(std::string_view text, host::EventLoop& loop);
    void close();
    [[nodiscard]] std::string output() const;

 private:
    const bool echo_;
    mutable std::mutex mutex_;
    std::condition_variable written_;
    std::string output_;
    std::size_t expected_up_to_ = 0;  // what expect() has already matched
    std::deque<u8> input_;
    bool closed_ = false;
    std::function<void()> readable_;
};

[[nodiscard]] Result<std::vector<std::byte>> read_file(const std::filesystem::path& path);

/// Builds, starts and, at the latest in its destructor, stops a machine.
class GuestMachine {
 public:
    struct Options {
        machine::MachineConfig config;
        std::vector<std::byte> kernel = {}, initrd = {}, firmware = {}, video_bios = {};
        std::vector<bus::BlockStore*> disks = {}, ide_disks = {}, cdroms = {}, floppies = {};
        bool echo = false;
    };
    [[nodiscard]] static Result<std::unique_ptr<GuestMachine>> start(Options options);
    ~GuestMachine();

    [[nodiscard]] bool expect(std::string_view text, std::chrono::milliseconds patience) {
        return console_.expect(text, patience);
    }
    void type(std::string_view text) { console_.type(text, *loop_); }
    [[nodiscard]] std::string output() const { return console_.output(); }
    [[nodiscard]] machine::Machine& machine() { return *machine_; }
    /// The end, where it comes in time.
    [[nodiscard]] std::optional<machine::MachineEnd> wait(std::chrono::milliseconds patience);

 private:
    GuestMachine(std::unique_ptr<host::EventLoop> loop, bool echo);

    std::unique_ptr<host::EventLoop> loop_;
    machine::VirtualTime time_;
    Console console_;
    std::unique_ptr<machine::Machine> machine_;
    std::mutex mutex_;
    std::condition_variable ended_;
    std::optional<machine::MachineEnd> end_;
    std::thread loop_thread_, run_thread_;
};

}  // namespace softmetal::guests
