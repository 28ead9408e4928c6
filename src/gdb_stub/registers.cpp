#include "gdb_stub/registers.hpp"

#include "cpu/system_registers.hpp"
#include "x86/msrs.hpp"

#include <cstring>
#include <fmt/format.h>
#include <iterator>
#include <string_view>

namespace softmetal::gdb_stub {
namespace {

constexpr const char* core = "org.gnu.gdb.i386.core";
constexpr const char* sse = "org.gnu.gdb.i386.sse";
constexpr const char* avx = "org.gnu.gdb.i386.avx";
constexpr const char* segments = "org.gnu.gdb.i386.segments";
constexpr const char* system_registers = "softmetal.system";

/// In the order in which GDB numbers the control registers of the x87: FCTRL to FOP.
enum X87Control : unsigned { fctrl, fstat, ftag, fiseg, fioff, foseg, fooff, fop };

/// What only the processor itself changes: V86 mode, RF, and the virtual interrupt flags, which do not exist
/// here.
constexpr u64 writable_flags =
    x86::flags::implemented & ~(x86::flags::vm | x86::flags::rf | x86::flags::vif | x86::flags::vip);

/// The tag word as it was before FXSAVE abridged it (SDM vol. 1, ch. 8.1.7 and 10.5.1.1).
u16 full_tags(const ExtendedState& x) {
    enum : u16 { valid, zero, special, empty };
    u16 tags = 0;
    const unsigned top = x.fsw >> 11 & 7;
    for (unsigned physical = 0; physical < 8; physical++) {
        u16 tag = empty;
        if (x.ftw >> physical & 1) {
            const ExtendedState::Bytes16& value = x.x87[(physical - top) & 7];
            const u64 exponent = value.high & 0x7fff;
            if (exponent == 0 && value.low == 0)
                tag = zero;
            else
                tag = exponent == 0 || exponent == 0x7fff || !(value.low >> 63) ? special : valid;
        }
        tags = static_cast<u16>(tags | tag << (2 * physical));
    }
    return tags;
}

u8 abridged_tags(u64 tags) {
    u8 in_use = 0;
    for (unsigned n = 0; n < 8; n++)
        if ((tags >> (2 * n) & 3) != 3) in_use = static_cast<u8>(in_use | 1u << n);
    return in_use;
}

u64 read_x87_control(const ExtendedState& x, unsigned index) {
    switch (index) {
        case fctrl: return x.fcw;
        case fstat: return x.fsw;
        case ftag: return full_tags(x);
        case fiseg: return x.fip >> 32 & 0xffff;
        case fioff: return x.fip & 0xffffffff;
        case foseg: return x.fdp >> 32 & 0xffff;
        case fooff: return x.fdp & 0xffffffff;
        default: return x.fop;
    }
}

void write_x87_control(ExtendedState& x, unsigned index, u64 value) {
    const auto half = [](u64& pointer, u64 part, bool high) {
        pointer = high ? (pointer & 0xffffffff) | (part & 0xffff) << 32
                       : (pointer & ~u64{0xffffffff}) | (part & 0xffffffff);
    };
    switch (index) {
        case fctrl: x.fcw = static_cast<u16>((value & 0x1f3f) | 0x40); break;
        case fstat: x.fsw = static_cast<u16>(value); break;
        case ftag: x.ftw = abridged_tags(value); break;
        case fiseg: half(x.fip, value, true); break;
        case fioff: half(x.fip, value, false); break;
        case foseg: half(x.fdp, value, true); break;
        case fooff: half(x.fdp, value, false); break;
        default: x.fop = static_cast<u16>(value & 0x7ff); break;
    }
}

constexpr u64 x87_exponent_mask = 0xffff;

void add_types(std::string& xml, std::string_view feature) {
    if (feature == core)
        xml +=
            "<flags id=\"eflags_bits\" size=\"4\">"
            "<field name=\"CF\" start=\"0\" end=\"0\"/><field name=\"\" start=\"1\" end=\"1\"/>"
            "<field name=\"PF\" start=\"2\" end=\"2\"/><field name=\"AF\" start=\"4\" end=\"4\"/>"
            "<field name=\"ZF\" start=\"6\" end=\"6\"/><field name=\"SF\" start=\"7\" end=\"7\"/>"
            "<field name=\"TF\" start=\"8\" end=\"8\"/><field name=\"IF\" start=\"9\" end=\"9\"/>"
            "<field name=\"DF\" start=\"10\" end=\"10\"/><field name=\"OF\" start=\"11\" end=\"11\"/>"
            "<field name=\"NT\" start=\"14\" end=\"14\"/><field name=\"RF\" start=\"16\" end=\"16\"/>"
            "<field name=\"VM\" start=\"17\" end=\"17\"/><field name=\"AC\" start=\"18\" end=\"18\"/>"
            "<field name=\"VIF\" start=\"19\" end=\"19\"/><field name=\"VIP\" start=\"20\" end=\"20\"/>"
            "<field name=\"ID\" start=\"21\" end=\"21\"/></flags>";
    if (feature == sse)
        xml +=
            "<vector id=\"singles\" type=\"ieee_single\" count=\"4\"/>"
            "<vector id=\"doubles\" type=\"ieee_double\" count=\"2\"/>"
            "<vector id=\"bytes\" type=\"int8\" count=\"16\"/>"
            "<vector id=\"words\" type=\"int16\" count=\"8\"/>"
            "<vector id=\"doublewords\" type=\"int32\" count=\"4\"/>"
            "<vector id=\"quadwords\" type=\"int64\" count=\"2\"/>"
            "<union id=\"vec128\"><field name=\"v4_float\" type=\"singles\"/>"
            "<field name=\"v2_double\" type=\"doubles\"/><field name=\"v16_int8\" type=\"bytes\"/>"
            "<field name=\"v8_int16\" type=\"words\"/><field name=\"v4_int32\" type=\"doublewords\"/>"
            "<field name=\"v2_int64\" type=\"quadwords\"/><field name=\"uint128\" type=\"uint128\"/></union>";
}

}  // namespace

RegisterSet::RegisterSet(const CpuModel& model) {
    struct Gpr {
        const char* name;
        x86::Gpr number;
    };
    constexpr Gpr named[] = {{"rax", x86::rax}, {"rbx", x86::rbx}, {"rcx", x86::rcx}, {"rdx", x86::rdx},
                             {"rsi", x86::rsi}, {"rdi", x86::rdi}, {"rbp", x86::rbp}, {"rsp", x86::rsp}};
    for (const Gpr& g : named)
        add(core, g.name, 64, g.number == x86::rbp || g.number == x86::rsp ? "data_ptr" : "int64", Kind::gpr,
            g.number);
    for (unsigned n = 8; n < 16; n++) add(core, fmt::format("r{}", n), 64, "int64", Kind::gpr, n);
    add(core, "rip", 64, "code_ptr", Kind::rip);
    add(core, "eflags", 32, "eflags_bits", Kind::flags);
    constexpr std::pair<const char*, x86::Segment> selectors[] = {
        {"cs", x86::Segment::cs}, {"ss", x86::Segment::ss}, {"ds", x86::Segment::ds},
        {"es", x86::Segment::es}, {"fs", x86::Segment::fs}, {"gs", x86::Segment::gs}};
    for (const auto& [name, segment] : selectors)
        add(core, name, 32, "int32", Kind::segment, static_cast<unsigned>(segment));
    for (unsigned n = 0; n < 8; n++) add(core, fmt::format("st{}", n), 80, "i387_ext", Kind::x87_data, n);
    constexpr const char* x87_names[] = {"fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"};
    for (unsigned n = 0; n < std::size(x87_names); n++)
        add(core, x87_names[n], 32, "int", Kind::x87_control, n);
    for (unsigned n = 0; n < 16; n++) add(sse, fmt::format("xmm{}", n), 128, "vec128", Kind::xmm, n);
    add(sse, "mxcsr", 32, "int", Kind::mxcsr);
    if (model.features().avx)
        for (unsigned n = 0; n < 16; n++)
            add(avx, fmt::format("ymm{}h", n), 128, "uint128", Kind::ymm_high, n);
    add(segments, "fs_base", 64, "int64", Kind::segment_base, static_cast<unsigned>(x86::Segment::fs));
    add(segments, "gs_base", 64, "int64", Kind::segment_base, static_cast<unsigned>(x86::Segment::gs));
    add(system_registers, "k_gs_base", 64, "int64", Kind::kernel_gs_base);
    for (const unsigned n : {0u, 2u, 3u, 4u, 8u})
        add(system_registers, fmt::format("cr{}", n), 64, "int64", Kind::control, n);
    add(system_registers, "efer", 64, "int64", Kind::efer);
}

void RegisterSet::add(const char* feature, std::string name, unsigned bits, const char* type, Kind kind,
                      unsigned index) {
    registers_.push_back({std::move(name), bits, type, kind, index, feature});
}

u64 RegisterSet::read_number(Vcpu& vcpu, const Register& r) {
    const CpuState& s = vcpu.state;
    switch (r.kind) {
        case Kind::gpr: return s.gpr[r.index];
        case Kind::rip: return s.rip;
        case Kind::flags: return s.rflags;
        case Kind::segment: return s.segment[r.index].selector;
        case Kind::segment_base: return s.segment[r.index].base;
        case Kind::kernel_gs_base: return s.kernel_gs_base;
        case Kind::control: return read_control_register(vcpu, r.index);
        case Kind::efer: return s.efer;
        case Kind::mxcsr: return s.extended.mxcsr;
        case Kind::x87_control: return read_x87_control(s.extended, r.index);
        default: return 0;
    }
}

std::vector<std::byte> RegisterSet::read(Vcpu& vcpu, std::size_t number) const {
    const Register& r = registers_[number];
    const ExtendedState& x = vcpu.state.extended;
    ExtendedState::Bytes16 value{};
    switch (r.kind) {
        case Kind::x87_data: value = x.x87[r.index]; break;
        case Kind::xmm: value = x.xmm[r.index]; break;
        case Kind::ymm_high: value = x.ymm_high[r.index]; break;
        default: value.low = read_number(vcpu, r);
    }
    std::vector<std::byte> bytes(size(number));
    std::memcpy(bytes.data(), &value, bytes.size());
    return bytes;
}

bool RegisterSet::write_number(Vcpu& vcpu, const Register& r, u64 value) {
    CpuState& s = vcpu.state;
    try {
        switch (r.kind) {
            case Kind::gpr: s.gpr[r.index] = value; return true;
            case Kind::rip:
                s.rip = value;
                // Sent somewhere else, it no longer waits where it was.
                if (s.activity == Activity::halted) s.activity = Activity::running;
                return true;
            case Kind::flags: s.rflags = (s.rflags & ~writable_flags) | (value & writable_flags); return true;
            case Kind::segment_base:
                if (!is_canonical(value)) return false;
                s.segment[r.index].base = value;
                return true;
            case Kind::kernel_gs_base:
                if (!is_canonical(value)) return false;
                s.kernel_gs_base = value;
                return true;
            case Kind::control: write_control_register(vcpu, r.index, value); return true;
            case Kind::efer: write_msr(vcpu, x86::msr::efer, value); return true;
            case Kind::mxcsr:
                if (value & ~u64{vcpu.model.mxcsr_mask()}) return false;
                s.extended.mxcsr = static_cast<u32>(value);
                return true;
            case Kind::x87_control: write_x87_control(s.extended, r.index, value); return true;
            default: return false;  // a selector alone says no descriptor
        }
    } catch (const GuestException&) {
        return false;
    }
}

bool RegisterSet::write(Vcpu& vcpu, std::size_t number, std::span<const std::byte> value) const {
    const Register& r = registers_[number];
    if (value.size() != size(number)) return false;
    ExtendedState::Bytes16 wide{};
    std::memcpy(&wide, value.data(), value.size());
    ExtendedState& x = vcpu.state.extended;
    switch (r.kind) {
        case Kind::x87_data: x.x87[r.index] = {wide.low, wide.high & x87_exponent_mask}; return true;
        case Kind::xmm: x.xmm[r.index] = wide; return true;
        case Kind::ymm_high: x.ymm_high[r.index] = wide; return true;
        default: break;
    }
    // GDB writes back what it has read: that must not fail, nor do anything.
    if (wide.low == (read_number(vcpu, r) & low_bits(r.bits))) return true;
    return write_number(vcpu, r, wide.low);
}

std::string RegisterSet::description() const {
    std::string xml =
        "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">"
        "<architecture>i386:x86-64</architecture>";
    std::string_view feature;
    for (const Register& r : registers_) {
        if (feature != r.feature) {
            if (!feature.empty()) xml += "</feature>";
            feature = r.feature;
            xml += fmt::format("<feature name=\"{}\">", feature);
            add_types(xml, feature);
        }
        fmt::format_to(std::back_inserter(xml), "<reg name=\"{}\" bitsize=\"{}\" type=\"{}\"/>", r.name,
                       r.bits, r.type);
    }
    return xml + "</feature></target>";
}

}  // namespace softmetal::gdb_stub
