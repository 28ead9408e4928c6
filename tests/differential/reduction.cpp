#include "reduction.hpp"

#include "encoding.hpp"

#include <cstring>
#include <memory>
#include <span>

namespace softmetal::differential {
namespace {

/// The general-purpose registers that memory operands name; all of what cannot be decoded.
u32 address_registers(const TestCase& test) {
    Decoded d;
    if (!decode_bytes(test.bytes, test.code_size, d)) return ~u32{0};
    u32 registers = 0;
    for (const ZydisDecodedOperand& o : std::span(d.operands).first(d.instruction.operand_count)) {
        if (o.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
        for (const ZydisRegister reg : {o.mem.base, o.mem.index}) {
            const auto kind = ZydisRegisterGetClass(reg);
            if (kind >= ZYDIS_REGCLASS_GPR8 && kind <= ZYDIS_REGCLASS_GPR64)
                registers |= 1u << (static_cast<unsigned>(ZydisRegisterGetId(reg)) & 15);
        }
    }
    return registers;
}

class Reduction {
 public:
    Reduction(TestCase& test, const std::function<bool(const TestCase&)>& fails)
        : test_(test), fails_(fails), before_(std::make_unique<TestCase>()) {}

    void run() {
        registers();
        if (test_.code_size == 8) segments();
        vectors();
        // All pages but the first, which holds the code.
        for (std::size_t page = 1; page < pages.size(); page++) memory(std::span(test_.memory.bytes[page]));
    }

 private:
    /// Makes a change and takes it back where the case fails no longer.
    template <class Change>
    bool attempt(Change change) {
        *before_ = test_;
        change();
        if (fails_(test_)) return true;
        test_ = *before_;
        return false;
    }
    template <class Field>
    void settle(Field& field, const Field& value) {
        if (std::memcmp(&field, &value, sizeof field) != 0) attempt([&] { field = value; });
    }

    void registers() {
        Registers& r = test_.registers;
        const u32 addresses = address_registers(test_);
        for (unsigned n = 0; n < r.gpr.size(); n++)
            if (!(addresses >> n & 1)) settle(r.gpr[n], u64{0});
        constexpr u64 least = x86::flags::always_one | x86::flags::interrupt;
        for (unsigned n = 0; n < 22; n++)
            if (r.rflags & ~least & u64{1} << n) attempt([&] { r.rflags &= ~(u64{1} << n); });
    }

    /// Where 64-bit mode does not address memory through them; a base in use stays.
    void segments() {
        Selectors& s = test_.selectors;
        for (u16* selector : {&s.ds, &s.es, &s.fs, &s.gs}) settle(*selector, u16{0});
        Decoded d;
        const bool known = decode_bytes(test_.bytes, test_.code_size, d);
        if (!known || d.instruction.attributes & ZYDIS_ATTRIB_HAS_SEGMENT) return;
        settle(test_.fs_base, u64{0});
        settle(test_.gs_base, u64{0});
    }

    void vectors() {
        ExtendedState& x = test_.registers.extended;
        const ExtendedState initial;
        settle(x.mxcsr, initial.mxcsr);
        attempt([&] {
            x.fcw = initial.fcw, x.fsw = 0, x.ftw = 0, x.fop = 0, x.fip = x.fdp = 0;
            x.x87 = initial.x87;
        });
        for (auto& st : x.x87) settle(st, {0, 0});
        for (auto& low : x.xmm) settle(low, {0, 0});
        for (auto& high : x.ymm_high) settle(high, {0, 0});
    }

    /// Clears as much as can be cleared, down to quadwords.
    void memory(std::span<u8> bytes) {
        bool any = false;
        for (const u8 byte : bytes) any |= byte != 0;
        if (!any || attempt([&] { std::memset(bytes.data(), 0, bytes.size()); })) return;
        if (bytes.size() <= 8) return;
        memory(bytes.first(bytes.size() / 2));
        memory(bytes.last(bytes.size() / 2));
    }

    TestCase& test_;
    const std::function<bool(const TestCase&)>& fails_;
    std::unique_ptr<TestCase> before_;
};

}  // namespace

void reduce(TestCase& test, const std::function<bool(const TestCase&)>& fails) {
    Reduction(test, fails).run();
}

}  // namespace softmetal::differential
