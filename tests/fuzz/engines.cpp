// User code of random bytes: the interpreter and the translator leave the same behind. 64-bit code, 32-bit
// code in flat segments, or 16-bit and 32-bit code in segments of all kinds.
#include "../differential/guest_runner.hpp"
#include "../differential/test_segments.hpp"
#include "host/fault_signals.hpp"
#include "input.hpp"
#include "interpreter/native_thunk.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

using namespace softmetal;
using namespace softmetal::differential;

namespace {

constexpr std::size_t longest_code = 256;
constexpr unsigned code_page = 0;  // of differential::pages
constexpr bool code64 = SOFTMETAL_FUZZED_CODE == 64, segmented = SOFTMETAL_FUZZED_CODE == 16;

struct Engines {
    host::FaultStack fault_stack;
    std::unique_ptr<GuestRunner> interpreter, translator;
    std::unique_ptr<TestCase> test = std::make_unique<TestCase>();
    std::unique_ptr<Outcome> reference = std::make_unique<Outcome>(),
                             translated = std::make_unique<Outcome>();

    Engines() {
        if (!interpreter::prepare_native_execution()) fuzz::fail("no native execution");
        interpreter = make("interpreter");
        translator = make("translator");
    }
    static std::unique_ptr<GuestRunner> make(std::string_view name) {
        auto runner = GuestRunner::create(name, KernelMode::long_mode, CpuModel::host(1, 1'000'000'000));
        if (!runner) fuzz::fail(runner.error().message);
        return std::move(*runner);
    }
};

/// Not the same twice (RDRAND, RDSEED), or known to differ between the engines (XINUSE in XSAVE images, x87
/// pointers in the images of FNSTENV and FNSAVE; docs/known_deviations.md). Found by their opcodes, wherever
/// they lie.
bool comparable(std::span<const u8> code) {
    for (std::size_t i = 0; i + 1 < code.size(); i++) {
        const u8 opcode = code[i], modrm = code[i + 1];
        if (opcode == 0x0f && (modrm == 0xc7 || modrm == 0xae)) return false;
        const bool saves_environment = modrm < 0xc0 && (modrm >> 3 & 7) == 6;
        if ((opcode == 0xd9 || opcode == 0xdd) && saves_environment) return false;
    }
    return true;
}

/// Half of the values are pointers into mapped pages, so that accesses succeed.
u64 register_value(fuzz::Input& input) {
    const u8 kind = input.take<u8>();
    if (kind & 1) {
        const u64 in_page = input.take<u16>() % page_size;
        // An offset in a local segment's own two pages, or a linear address.
        if (segmented && kind & 2) return segments::data_offset + (kind & 4 ? page_size : 0) + in_page;
        return pages[kind / 2 % pages.size()].linear + in_page;
    }
    const u64 value = kind & 2 ? input.take<u64>() : input.take<u8>();
    return code64 ? value : value & 0xffff'ffff;
}

void choose_segments(fuzz::Input& input, TestCase& test) {
    using namespace segments;
    // The flat one, null, and the data segments of segments::local; the stack may be small or expand
    // downwards.
    constexpr auto data = std::to_array<u16>(
        {user_data, data16, data16, local_selector(1), local_selector(2), local_selector(3), user_code32, 0});
    constexpr auto stacks = std::to_array<u16>({stack16, stack32, stack16, user_data, stack_down, data16});
    const auto pick = [&input](const auto& choices) { return choices[input.take<u8>() % choices.size()]; };
    test.code_size = input.take<u8>() & 1 ? 4 : 2;
    test.selectors = {.cs = code_selector(test.code_size),
                      .ds = pick(data),
                      .es = pick(data),
                      .fs = pick(data),
                      .gs = pick(data),
                      .ss = pick(stacks)};
}

u64 stack_pointer(const TestCase& test) {
    constexpr u64 within = page_size - 64;
    return segmented && test.selectors.ss != segments::user_data ? segments::data_offset + within
                                                                 : layout::stack + within;
}

void prepare(fuzz::Input& input, TestCase& test) {
    test.registers = {};
    for (auto& page : test.memory.bytes) page.fill(0);
    test.memory.bytes[code_page].fill(0xcc);
    test.code_size = code64 ? 8 : 4;
    constexpr u16 data = code64 ? 0 : segments::user_data;
    test.selectors = {.cs = segments::code_selector(test.code_size),
                      .ds = data,
                      .es = data,
                      .fs = data,
                      .ss = segments::user_data};
    if (segmented) choose_segments(input, test);
    for (u64& r : test.registers.gpr) r = register_value(input);
    test.registers.gpr[x86::rsp] = stack_pointer(test);
    test.registers.rip = layout::instruction - segments::code_base(test.code_size);
    test.registers.rflags |= input.take<u16>() & x86::flags::status;
    const u8 seed = input.take<u8>();
    for (unsigned page = 1; page < pages.size(); page++)
        for (unsigned i = 0; i < page_size; i++) test.memory.bytes[page][i] = static_cast<u8>(seed * i >> 3);
    for (unsigned i = 0; i < 16; i++) test.registers.extended.xmm[i] = {seed * 0x0101010101010101ull * i, i};
}

std::string memory_difference(const Memory& a, const Memory& b) {
    for (unsigned page = 0; page < pages.size(); page++) {
        const auto [x, y] = std::ranges::mismatch(a.bytes[page], b.bytes[page]);
        if (x == a.bytes[page].end()) continue;
        const auto shown = std::min<std::ptrdiff_t>(16, a.bytes[page].end() - x);
        return fmt::format("memory at {:x}: {:02x} and {:02x}",
                           pages[page].linear + static_cast<u64>(x - a.bytes[page].begin()),
                           fmt::join(x, x + shown, " "), fmt::join(y, y + shown, " "));
    }
    return {};
}

/// Where status flags may be stale (docs/known_deviations.md): in an exception's frame, if nobody reads them,
/// and behind a store that replaces the instruction which would have overwritten them.
bool flags_may_be_stale(const TestCase& test, const Outcome& outcome) {
    return outcome.vector != completed || outcome.memory.bytes[code_page] != test.memory.bytes[code_page];
}

std::string difference(const TestCase& test, const Outcome& a, const Outcome& b) {
    // Translated code meets a branch to no canonical address at its target (docs/known_deviations.md).
    if (a.vector == 13 && b.vector == 13 && !is_canonical(b.registers.rip)) return {};
    if (a.vector != b.vector) return fmt::format("vector {} and {}", a.vector, b.vector);
    if (a.error_code != b.error_code || a.cr2 != b.cr2) return "error code or CR2";
    if (a.registers.gpr != b.registers.gpr) {
        for (unsigned i = 0; i < 16; i++)
            if (a.registers.gpr[i] != b.registers.gpr[i])
                return fmt::format("register {}: {:x} and {:x}", i, a.registers.gpr[i], b.registers.gpr[i]);
    }
    if (a.registers.rip != b.registers.rip)
        return fmt::format("RIP {:x} and {:x}", a.registers.rip, b.registers.rip);
    const u64 exact = flags_may_be_stale(test, a) ? ~x86::flags::status : ~u64{0};
    if ((a.registers.rflags ^ b.registers.rflags) & exact)
        return fmt::format("flags {:x} and {:x}", a.registers.rflags, b.registers.rflags);
    const ExtendedState &x = a.registers.extended, &y = b.registers.extended;
    if (x.fcw != y.fcw || x.fsw != y.fsw || x.ftw != y.ftw || x.mxcsr != y.mxcsr)
        return "x87 or SSE control and status";
    for (unsigned i = 0; i < 16; i++) {
        if (x.xmm[i].low != y.xmm[i].low || x.xmm[i].high != y.xmm[i].high ||
            x.ymm_high[i].low != y.ymm_high[i].low || x.ymm_high[i].high != y.ymm_high[i].high)
            return fmt::format("vector register {}", i);
        if (i < 8 && (x.x87[i].low != y.x87[i].low || (x.x87[i].high ^ y.x87[i].high) & 0xffff))
            return fmt::format("x87 register {}", i);
    }
    return memory_difference(a.memory, b.memory);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Engines engines;
    fuzz::Input input(data, size);
    prepare(input, *engines.test);
    const std::span<const u8> code = input.take_bytes(longest_code);
    if (!comparable(code)) return 0;
    engines.test->memory.store(layout::instruction, code.data(), code.size());
    engines.interpreter->run(*engines.test, *engines.reference);
    if (engines.reference->vector == endless) return 0;
    engines.translator->run(*engines.test, *engines.translated);
    const std::string what = difference(*engines.test, *engines.reference, *engines.translated);
    if (!what.empty()) fuzz::fail(fmt::format("interpreter and translator differ: {}", what));
    return 0;
}
