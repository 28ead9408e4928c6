// A guest of a few megabytes for tests: puts a program into memory, runs it with the interpreter until HLT,
// and tells which exception came, if any. Every vector's handler is a HLT of its own.
#pragma once

#include "cpu/vcpu.hpp"
#include "interpreter/interpreter.hpp"

#include <asmjit/asmjit.h>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace softmetal::test {

namespace jit = asmjit::x86;

enum class Mode { real16, flat32, long64 };

/// What a test expects of an exception.
struct Fault {
    x86::Vector vector;
    u32 error_code = 0;
    u64 rip = 0, flags = 0;  // as pushed
};

/// Ports that remember what was written and answer reads from a queue.
class RecordingPorts final : public bus::IoHandler {
 public:
    u64 read_io(u64 offset, unsigned width) override {
        reads.push_back({offset, width});
        return next_value++;
    }
    void write_io(u64 offset, unsigned width, u64 value) override {
        writes.push_back({offset, width, value});
    }
    struct Read {
        u64 offset;
        unsigned width;
    };
    struct Write {
        u64 offset;
        unsigned width;
        u64 value;
    };
    std::vector<Read> reads;
    std::vector<Write> writes;
    u64 next_value = 0x11;
};

class SettableClock final : public bus::Clock {
 public:
    bus::Nanoseconds time = 1000;
    [[nodiscard]] bus::Nanoseconds now() const override { return time; }
};

class Guest {
 public:
    static constexpr u64 code = 0x30000, data = 0x40000, stack_top = 0x80000;
    static constexpr u64 unmapped = 0x1f0000;   // a page without translation, in long mode
    static constexpr u64 read_only = 0x1e0000;  // a page without write right, for user code
    static constexpr u16 port_base = 0x300;

    explicit Guest(Mode mode, unsigned cpl = 0, std::string_view cpu_model = "host");

    using Program = std::function<void(jit::Assembler&)>;
    /// Assembles for the guest's mode (32 or 64 bits) at `where`; HLT is appended.
    void place(const Program& program, u64 where = code);
    void place_bytes(std::span<const u8> bytes, u64 where = code);
    /// Runs from `where` until HLT or an exception's handler, at most so many instructions.
    void go(u64 where = code, u64 most = 1'000'000);
    void run(const Program& program) {
        place(program);
        go();
    }
    /// The same for raw bytes; a HLT follows them.
    void run_bytes(std::initializer_list<u8> bytes);

    /// The exception whose handler the program ended in.
    [[nodiscard]] std::optional<Fault> fault() const;

    [[nodiscard]] u64& gpr(unsigned index) { return vcpu->state.gpr[index]; }
    [[nodiscard]] bool flag(u64 mask) const { return vcpu->state.rflags & mask; }
    template <class T>
    [[nodiscard]] T peek(u64 physical) const {
        T value;
        std::memcpy(&value, memory->pointer({physical}), sizeof value);
        return value;
    }
    template <class T>
    void poke(u64 physical, T value) {
        std::memcpy(memory->pointer({physical}), &value, sizeof value);
    }
    /// Long mode: the page-table entry of a page below 2 MiB.
    void set_page(u64 linear, u64 entry);

    Mode mode;
    std::unique_ptr<GuestMemory> memory;
    bus::AddressSpace ports, mmio;
    RecordingPorts recorder;
    SettableClock clock;
    CpuModel model;
    std::unique_ptr<Vcpu> vcpu;
    std::unique_ptr<Interpreter> interpreter;

 private:
    void enter_real();
    void enter_flat();
    void enter_long(unsigned cpl);
    void write_handlers();
};

}  // namespace softmetal::test
