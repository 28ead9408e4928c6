#include "comparison.hpp"

#include "base/bits.hpp"
#include "decoder/decoder.hpp"
#include "test_segments.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <sstream>

namespace softmetal::differential {
namespace {

constexpr const char* gpr_names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                     "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
struct FlagName {
    const char* name;
    u64 mask;
};
constexpr FlagName flag_names[] = {
    {"cf", x86::flags::cf}, {"pf", x86::flags::pf},     {"af", x86::flags::af},        {"zf", x86::flags::zf},
    {"sf", x86::flags::sf}, {"tf", x86::flags::tf},     {"if", x86::flags::interrupt}, {"df", x86::flags::df},
    {"of", x86::flags::of}, {"iopl", x86::flags::iopl}, {"nt", x86::flags::nt},        {"rf", x86::flags::rf},
    {"ac", x86::flags::ac}, {"id", x86::flags::id}};

std::string flag_text(u64 flags) {
    std::string text;
    for (const FlagName& f : flag_names)
        if (flags & f.mask) text += fmt::format("{}{}", text.empty() ? "" : " ", f.name);
    return text;
}

std::string wide(ExtendedState::Bytes16 v) { return fmt::format("{:016x}_{:016x}", v.high, v.low); }
bool same(ExtendedState::Bytes16 a, ExtendedState::Bytes16 b) { return a.low == b.low && a.high == b.high; }

std::string ending(const Outcome& o) {
    switch (o.vector) {
        case completed: return "completed";
        case shut_down: return "triple fault";
        case endless: return "did not stop";
        default: return fmt::format("exception {} (error code {:#x})", o.vector, o.error_code);
    }
}

class Comparison {
 public:
    void number(std::string_view where, u64 native, u64 engine) {
        if (native != engine) add(where, fmt::format("{:#x}", native), fmt::format("{:#x}", engine));
    }
    void vector(std::string where, ExtendedState::Bytes16 native, ExtendedState::Bytes16 engine) {
        if (!same(native, engine)) add(where, wide(native), wide(engine));
    }
    void add(std::string_view where, std::string native, std::string engine) {
        found.push_back({std::string(where), std::move(native), std::move(engine)});
    }
    std::vector<Difference> found;
};

void compare_x87(Comparison& c, const ExtendedState& a, const ExtendedState& b, bool pointers) {
    c.number("fcw", a.fcw, b.fcw);
    c.number("fsw", a.fsw, b.fsw);
    c.number("ftw (abridged)", a.ftw, b.ftw);
    if (pointers) c.number("fop", a.fop, b.fop);
    if (pointers) c.number("fip", a.fip, b.fip);
    for (unsigned i = 0; i < 8; i++) {
        // Bytes 10 to 15 of each register's place are reserved.
        auto x = a.x87[i], y = b.x87[i];
        x.high &= 0xffff, y.high &= 0xffff;
        c.vector(fmt::format("st{}", i), x, y);
    }
}

void compare_vectors(Comparison& c, const ExtendedState& a, const ExtendedState& b) {
    for (unsigned i = 0; i < 16; i++) {
        c.vector(fmt::format("xmm{}", i), a.xmm[i], b.xmm[i]);
        c.vector(fmt::format("ymm{} high", i), a.ymm_high[i], b.ymm_high[i]);
    }
}

void compare_memory(Comparison& c, const Memory& a, const Memory& b) {
    for (std::size_t page = 0; page < pages.size(); page++) {
        if (a.bytes[page] == b.bytes[page]) continue;
        const auto [x, y] = std::ranges::mismatch(a.bytes[page], b.bytes[page]);
        const auto at = static_cast<std::size_t>(x - a.bytes[page].begin());
        const std::size_t count = std::min<std::size_t>(16, page_size - at);
        const auto text = [&](const Memory& m) {
            std::string bytes;
            for (std::size_t i = 0; i < count; i++) bytes += fmt::format("{:02x} ", m.bytes[page][at + i]);
            return bytes;
        };
        c.add(fmt::format("memory {:#x}", pages[page].linear + at), text(a), text(b));
    }
}

std::string disassembly(const TestCase& test) {
    ZydisFormatter formatter;
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    Decoded d;
    if (!decode_bytes(test.bytes, test.code_size, d)) return "?";
    char text[160];
    ZydisFormatterFormatInstruction(&formatter, &d.instruction, d.operands.data(),
                                    d.instruction.operand_count_visible, text, sizeof text,
                                    layout::instruction, nullptr);
    return text;
}

std::string bytes_at(const TestCase& test, u64 linear) {
    std::string text;
    for (u64 i = 0; i < 64; i++) {
        const u8* p = test.memory.at(linear + i);
        text += p ? fmt::format("{:02x} ", *p) : "-- ";
    }
    return text;
}

u64 segment_base(const TestCase& test, ZydisRegister segment) {
    if (test.code_size == 8)
        return segment == ZYDIS_REGISTER_FS ? test.fs_base : segment == ZYDIS_REGISTER_GS ? test.gs_base : 0;
    switch (segment) {
        case ZYDIS_REGISTER_DS: return segments::base_of(test.selectors.ds);
        case ZYDIS_REGISTER_ES: return segments::base_of(test.selectors.es);
        case ZYDIS_REGISTER_FS: return segments::base_of(test.selectors.fs);
        case ZYDIS_REGISTER_GS: return segments::base_of(test.selectors.gs);
        case ZYDIS_REGISTER_SS: return segments::base_of(test.selectors.ss);
        default: return 0;
    }
}

/// The data that registers point to, as far as it is mapped.
std::string pointed_memory(const TestCase& test) {
    std::string text;
    for (unsigned i = 0; i < 16; i++)
        if (test.memory.at(test.registers.gpr[i]))
            text += fmt::format("    [{}] {}\n", gpr_names[i], bytes_at(test, test.registers.gpr[i]));
    Decoded d;
    u64 linear;
    if (decode_bytes(test.bytes, test.code_size, d))
        for (unsigned i = 0; i < d.instruction.operand_count_visible; i++)
            if (d.operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
                d.operands[i].mem.type == ZYDIS_MEMOP_TYPE_MEM) {
                const auto value = [&](ZydisRegister r) -> u64 {
                    if (r == ZYDIS_REGISTER_RIP || r == ZYDIS_REGISTER_EIP)
                        return test.registers.rip + test.length;
                    return r == ZYDIS_REGISTER_NONE ? 0 : test.registers.gpr[ZydisRegisterGetId(r) & 15];
                };
                const auto& m = d.operands[i].mem;
                linear = value(m.base) + value(m.index) * m.scale + static_cast<u64>(m.disp.value);
                linear = (linear & low_bits(d.instruction.address_width)) + segment_base(test, m.segment);
                text += fmt::format("    operand at {:#x}: {}\n", linear, bytes_at(test, linear));
            }
    return text;
}

}  // namespace

void Allowance::add(const Allowance& other) {
    flags |= other.flags;
    for (bool Allowance::*part : {&Allowance::dead_flags, &Allowance::mxcsr, &Allowance::x87, &Allowance::fdp,
                                  &Allowance::vectors, &Allowance::memory, &Allowance::cr2,
                                  &Allowance::cr2_offset, &Allowance::rip, &Allowance::rsp, &Allowance::gprs})
        this->*part |= other.*part;
}

Result<UndefinedResults> UndefinedResults::load(const std::string& path, const std::string& engine) {
    static const std::unordered_map<std::string, bool Allowance::*> parts = {
        {"dead-flags", &Allowance::dead_flags},
        {"mxcsr", &Allowance::mxcsr},
        {"x87", &Allowance::x87},
        {"vectors", &Allowance::vectors},
        {"fdp", &Allowance::fdp},
        {"memory", &Allowance::memory},
        {"cr2", &Allowance::cr2},
        {"cr2-offset", &Allowance::cr2_offset},
        {"rip", &Allowance::rip},
        {"rsp", &Allowance::rsp},
        {"gprs", &Allowance::gprs}};
    std::ifstream file(path);
    if (!file) return fail("the table of undefined results cannot be read: " + path);
    UndefinedResults table;
    std::string line;
    for (unsigned number = 1; std::getline(file, line); number++) {
        line = line.substr(0, line.find('#'));
        if (line.find_first_not_of(" \t") == std::string::npos) continue;
        const auto wrong = [&](const std::string& what) {
            return fail(fmt::format("{}:{}: {}", path, number, what));
        };
        const auto colon = line.find(':');
        if (colon == std::string::npos) return wrong("expected 'engine [vendor] when what: mnemonics'");
        std::istringstream left(line.substr(0, colon)), right(line.substr(colon + 1));
        std::string who, when, word;
        left >> who >> when;
        const bool for_amd = when == "amd", for_intel = when == "intel";
        if (for_amd || for_intel) left >> when;
        if (when != "always" && when != "faulting")
            return wrong("'" + when + "' is neither always nor faulting");
        Allowance allowance;
        while (left >> word) {
            const auto* flag =
                std::ranges::find_if(flag_names, [&](const FlagName& f) { return word == f.name; });
            if (flag != std::end(flag_names))
                allowance.flags |= flag->mask;
            else if (const auto part = parts.find(word); part != parts.end())
                allowance.*part->second = true;
            else
                return wrong("'" + word + "' is no part of a result");
        }
        if (who != "all" && who != engine) continue;
        if (host_vendor() == Vendor::amd ? for_intel : for_amd) continue;
        Table& into = when == "always" ? table.always_ : table.faulting_;
        while (right >> word) into[word].add(allowance);
    }
    return table;
}

Allowance UndefinedResults::allowance(const std::string& mnemonic, bool faulted) const {
    Allowance sum;
    const auto add = [&](const Table& table) {
        for (const std::string& key : {mnemonic, std::string("*")})
            if (const auto found = table.find(key); found != table.end()) sum.add(found->second);
    };
    add(always_);
    if (faulted) add(faulting_);
    return sum;
}

std::vector<Difference> compare(const Outcome& native, const Outcome& engine, const Allowance& allowed) {
    Comparison c;
    if (ending(native) != ending(engine)) c.add("ending", ending(native), ending(engine));
    const bool same_page = !((native.cr2 ^ engine.cr2) & page_mask);
    if (!allowed.cr2 && !(allowed.cr2_offset && same_page)) c.number("cr2", native.cr2, engine.cr2);
    if (!allowed.rip) c.number("rip", native.registers.rip, engine.registers.rip);
    c.number("cs", native.selectors.cs, engine.selectors.cs);
    c.number("ds", native.selectors.ds, engine.selectors.ds);
    c.number("es", native.selectors.es, engine.selectors.es);
    c.number("fs", native.selectors.fs, engine.selectors.fs);
    c.number("gs", native.selectors.gs, engine.selectors.gs);
    c.number("ss", native.selectors.ss, engine.selectors.ss);
    c.number("fs base", native.fs_base, engine.fs_base);
    c.number("gs base", native.gs_base, engine.gs_base);
    for (unsigned i = 0; i < 16; i++)
        if (!allowed.gprs && (i != x86::rsp || !allowed.rsp))
            c.number(gpr_names[i], native.registers.gpr[i], engine.registers.gpr[i]);
    const u64 mask = x86::flags::implemented & ~allowed.flags;
    if ((native.registers.rflags ^ engine.registers.rflags) & mask)
        c.add("rflags", flag_text(native.registers.rflags), flag_text(engine.registers.rflags));
    const ExtendedState &a = native.registers.extended, &b = engine.registers.extended;
    if (!allowed.x87) compare_x87(c, a, b, !allowed.x87_pointers);
    if (!allowed.x87 && !allowed.fdp) c.number("fdp", a.fdp, b.fdp);
    if (!allowed.mxcsr) c.number("mxcsr", a.mxcsr, b.mxcsr);
    if (!allowed.vectors) compare_vectors(c, a, b);
    if (!allowed.memory) compare_memory(c, native.memory, engine.memory);
    return std::move(c.found);
}

std::string describe(const TestCase& test, const std::vector<Difference>& differences) {
    std::string text = fmt::format("  {}\n  bytes ", disassembly(test));
    for (unsigned i = 0; i < test.length; i++) text += fmt::format(" {:02x}", test.bytes[i]);
    text += "\n  before:\n";
    const Registers& r = test.registers;
    for (unsigned i = 0; i < 16; i++)
        text += fmt::format("{}{:>4} {:016x}{}", i % 4 ? "  " : "    ", gpr_names[i], r.gpr[i],
                            i % 4 == 3 ? "\n" : "");
    text += fmt::format("    rip {:#x}  rflags {}  fs base {:#x}  gs base {:#x}\n", r.rip,
                        flag_text(r.rflags), test.fs_base, test.gs_base);
    if (test.local_segments)
        text += fmt::format("    ds {:#x}  es {:#x}  fs {:#x}  gs {:#x}  ss {:#x}\n", test.selectors.ds,
                            test.selectors.es, test.selectors.fs, test.selectors.gs, test.selectors.ss);
    const ExtendedState& x = r.extended;
    text += fmt::format("    mxcsr {:#x}  fcw {:#x}  fsw {:#x}  ftw {:#x}\n", x.mxcsr, x.fcw, x.fsw, x.ftw);
    Decoded d;
    if (decode_bytes(test.bytes, test.code_size, d))
        for (unsigned i = 0; i < d.instruction.operand_count; i++) {
            const ZydisDecodedOperand& o = d.operands[i];
            if (o.type != ZYDIS_OPERAND_TYPE_REGISTER && o.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
            const ZydisRegister reg = o.type == ZYDIS_OPERAND_TYPE_REGISTER ? o.reg.value : o.mem.index;
            const auto id = static_cast<unsigned>(ZydisRegisterGetId(reg)) & 15;
            const auto kind = ZydisRegisterGetClass(reg);
            if (kind == ZYDIS_REGCLASS_XMM || kind == ZYDIS_REGCLASS_YMM)
                text += fmt::format("    ymm{} {}_{}\n", id, wide(x.ymm_high[id]), wide(x.xmm[id]));
            if (kind == ZYDIS_REGCLASS_X87 || kind == ZYDIS_REGCLASS_MMX) {
                const unsigned st = kind == ZYDIS_REGCLASS_X87 ? id & 7 : (id - (x.fsw >> 11)) & 7;
                text += fmt::format("    st{} {}\n", st, wide(x.x87[st]));
            }
        }
    text += pointed_memory(test);
    text += "  differences:\n";
    for (const Difference& difference : differences)
        text += fmt::format("    {:<16} native {:<36} engine {}\n", difference.where, difference.native,
                            difference.engine);
    return text;
}

}  // namespace softmetal::differential
