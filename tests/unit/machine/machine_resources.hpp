// What a machine needs from outside, faked: time that stands still, a console that remembers.
#pragma once

#include "machine/board.hpp"

#include <optional>
#include <string>

namespace softmetal::machine::testing {

class StillTime final : public bus::Clock, public bus::TimerFactory {
 public:
    [[nodiscard]] bus::Nanoseconds now() const override { return 0; }
    [[nodiscard]] std::unique_ptr<bus::Timer> create_timer(std::function<void()>) override {
        class NoTimer final : public bus::Timer {
            void arm(bus::Nanoseconds) override {}
            void disarm() override {}
        };
        return std::make_unique<NoTimer>();
    }
};

class RememberingStream final : public bus::ByteStream {
 public:
    void write(std::span<const u8> bytes) override { text.append(bytes.begin(), bytes.end()); }
    [[nodiscard]] std::size_t read(std::span<u8>) override { return 0; }
    void on_readable(std::function<void()>) override {}
    std::string text;
};

class EmptyStore final : public bus::BlockStore {
 public:
    [[nodiscard]] u64 size_bytes() const override { return 1u << 20; }
    [[nodiscard]] bool read_only() const override { return false; }
    void read(u64, std::span<std::byte>, Completion done) override { done(bus::BlockStatus::ok); }
    void write(u64, std::span<const std::byte>, Completion done) override { done(bus::BlockStatus::ok); }
    void flush(Completion done) override { done(bus::BlockStatus::ok); }
    void discard(u64, u64, Completion done) override { done(bus::BlockStatus::ok); }
    void write_zeroes(u64, u64, bool, Completion done) override { done(bus::BlockStatus::ok); }
};

struct RememberingPlatform final : bus::PlatformControl {
    void request_power_off() override { power_offs++; }
    void request_reset() override { resets++; }
    void request_exit(u32 value) override { exit_value = value; }
    unsigned power_offs = 0, resets = 0;
    std::optional<u32> exit_value;
};

struct Outside {
    StillTime time;
    RememberingStream serial;
    RememberingPlatform platform;
    EmptyStore store;

    [[nodiscard]] MachineResources resources(unsigned disks = 0) {
        return {.kernel = {},
                .initrd = {},
                .timers = time,
                .clock = time,
                .disks = std::vector<bus::BlockStore*>(disks, &store),
                .entropy = [](std::span<std::byte>) {},
                .wall_clock = 0,
                .serial_ports = {&serial}};
    }
};

}  // namespace softmetal::machine::testing
