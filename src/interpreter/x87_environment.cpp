// FNSTENV, FLDENV, FNSAVE, FRSTOR: the x87 environment in its four memory formats (SDM vol. 1, ch. 8.1.10).
// CpuState keeps FXSAVE's format; these convert.
#include "interpreter/operands.hpp"
#include "interpreter/semantics.hpp"
#include "interpreter/x87_exceptions.hpp"
#include "interpreter/x87_stack.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

constexpr unsigned register_bytes = 10, register_count = 8;

/// The two-bit tags: 0 valid, 1 zero, 2 special, 3 empty, by physical register.
[[nodiscard]] u16 full_tag_word(const ExtendedState& e) {
    unsigned tags = 0;
    for (unsigned reg = 0; reg < register_count; reg++) {
        const auto& value = e.x87[(reg - x87_top(e)) & 7];
        const u64 exponent = value.high & 0x7fff;
        unsigned tag = 0;
        if (!(e.ftw >> reg & 1))
            tag = 3;
        else if (exponent == 0 && value.low == 0)
            tag = 1;
        else if (exponent == 0 || exponent == 0x7fff || !(value.low >> 63))
            tag = 2;
        tags |= tag << (2 * reg);
    }
    return static_cast<u16>(tags);
}

[[nodiscard]] u8 abridged_tag_word(u16 tags) {
    unsigned in_use = 0;
    for (unsigned reg = 0; reg < register_count; reg++)
        if ((tags >> (2 * reg) & 3) != 3) in_use |= 1u << reg;
    return static_cast<u8>(in_use);
}

/// An environment as fields of 2 or 4 bytes: FCW, FSW, FTW, FIP, FCS+FOP, FDP, FDS. The selectors are
/// always 0 (CPUID leaf 7, EBX bit 13).
struct Environment {
    std::array<u32, 7> fields{};
    unsigned field_size;
    bool real_format;

    Environment(const CpuState& state, const Instruction& i)
        : field_size(i.operand_size == 2 ? 2 : 4), real_format(state.real_mode() || state.v86_mode()) {}
    [[nodiscard]] unsigned size() const { return field_size * static_cast<unsigned>(fields.size()); }
};

Environment environment_of(const CpuState& state, const Instruction& i) {
    const ExtendedState& e = state.extended;
    Environment env(state, i);
    const u32 fip = static_cast<u32>(e.fip), fdp = static_cast<u32>(e.fdp), opcode = e.fop & 0x7ff;
    const u32 reserved = 0xffff0000;  // what processors store in the unused halves
    env.fields = {reserved | e.fcw, reserved | e.fsw, reserved | full_tag_word(e), fip, opcode << 16, fdp,
                  reserved};
    if (!env.real_format) return env;
    if (env.field_size == 4) {
        env.fields[3] = reserved | (fip & 0xffff);
        env.fields[4] = fip >> 16 << 12 | opcode;
        env.fields[5] = reserved | (fdp & 0xffff);
        env.fields[6] = fdp >> 16 << 12;
    } else {
        env.fields[4] = (fip >> 16 & 15) << 12 | opcode;
        env.fields[6] = (fdp >> 16 & 15) << 12;
    }
    return env;
}

void load_environment(ExtendedState& e, const Environment& env) {
    const auto& f = env.fields;
    e.fcw = static_cast<u16>((f[0] & 0x1f7f) | 0x40);
    set_x87_top(e, f[1] >> 11 & 7);
    e.fsw = static_cast<u16>(f[1]);
    e.ftw = abridged_tag_word(static_cast<u16>(f[2]));
    if (!env.real_format) {
        e.fip = f[3];
        e.fop = env.field_size == 4 ? f[4] >> 16 & 0x7ff : 0;
        e.fdp = f[5];
    } else if (env.field_size == 4) {
        e.fip = (f[3] & 0xffff) | (f[4] >> 12 & 0xffff) << 16;
        e.fop = f[4] & 0x7ff;
        e.fdp = (f[5] & 0xffff) | (f[6] >> 12 & 0xffff) << 16;
    } else {
        e.fip = (f[3] & 0xffff) | (f[4] >> 12 & 15) << 16;
        e.fop = f[4] & 0x7ff;
        e.fdp = (f[5] & 0xffff) | (f[6] >> 12 & 15) << 16;
    }
    update_x87_summary(e);
}

/// Room for the largest image: a 32-bit environment and eight registers.
using Image = std::array<std::byte, 28 + register_bytes * register_count>;

[[nodiscard]] GuestLinear image_address(Vcpu& vcpu, const Instruction& i, const Environment& env,
                                        unsigned size, Access access) {
    const u64 offset = effective_offset(vcpu.state, i);
    (void)linear_address(vcpu, i.memory.segment, offset, env.field_size, access);  // #AC goes by the fields
    return linear_address_unaligned(vcpu, i.memory.segment, offset, size, access);
}

[[nodiscard]] bool reports_exception(const CpuState& s) {
    return unmasked_x87_exception(s.extended) && !s.ignores_x87_error;
}

void put_environment(Image& image, const Environment& env) {
    for (unsigned n = 0; n < env.fields.size(); n++)
        std::memcpy(image.data() + n * env.field_size, &env.fields[n], env.field_size);
}
void get_environment(const Image& image, Environment& env) {
    for (unsigned n = 0; n < env.fields.size(); n++)
        std::memcpy(&env.fields[n], image.data() + n * env.field_size, env.field_size);
}

void fnstenv(Vcpu& vcpu, const Instruction& i, void*) {
    const Environment env = environment_of(vcpu.state, i);
    Image image;
    put_environment(image, env);
    vcpu.linear.write_bytes(image_address(vcpu, i, env, env.size(), Access::write),
                            std::span(image).first(env.size()), vcpu.mmu.data_privilege());
    ExtendedState& e = vcpu.state.extended;
    e.fcw |= x87_exceptions;
    update_x87_summary(e);
}

void fldenv(Vcpu& vcpu, const Instruction& i, void*) {
    if (reports_exception(vcpu.state)) raise(x86::Vector::x87_floating_point);
    Environment env(vcpu.state, i);
    Image image;
    vcpu.linear.read_bytes(image_address(vcpu, i, env, env.size(), Access::read),
                           std::span(image).first(env.size()), vcpu.mmu.data_privilege());
    get_environment(image, env);
    load_environment(vcpu.state.extended, env);
}

void fnsave(Vcpu& vcpu, const Instruction& i, void*) {
    ExtendedState& e = vcpu.state.extended;
    const Environment env = environment_of(vcpu.state, i);
    const unsigned size = env.size() + register_bytes * register_count;
    Image image;
    put_environment(image, env);
    for (unsigned n = 0; n < register_count; n++)
        std::memcpy(image.data() + env.size() + n * register_bytes, &e.x87[n], register_bytes);
    vcpu.linear.write_bytes(image_address(vcpu, i, env, size, Access::write), std::span(image).first(size),
                            vcpu.mmu.data_privilege());
    const ExtendedState initial;
    set_x87_top(e, 0);
    e.fcw = initial.fcw;
    e.fsw = initial.fsw;
    e.ftw = initial.ftw;
    e.fop = initial.fop;
    e.fip = initial.fip;
    e.fdp = initial.fdp;
}

void frstor(Vcpu& vcpu, const Instruction& i, void*) {
    ExtendedState& e = vcpu.state.extended;
    if (reports_exception(vcpu.state)) raise(x86::Vector::x87_floating_point);
    Environment env(vcpu.state, i);
    const unsigned size = env.size() + register_bytes * register_count;
    Image image;
    vcpu.linear.read_bytes(image_address(vcpu, i, env, size, Access::read), std::span(image).first(size),
                           vcpu.mmu.data_privilege());
    get_environment(image, env);
    load_environment(e, env);
    for (unsigned n = 0; n < register_count; n++) {
        e.x87[n] = {};
        std::memcpy(&e.x87[n], image.data() + env.size() + n * register_bytes, register_bytes);
    }
}

}  // namespace

Semantics x87_environment_semantics(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_FNSTENV: return fnstenv;
        case ZYDIS_MNEMONIC_FLDENV: return fldenv;
        case ZYDIS_MNEMONIC_FNSAVE: return fnsave;
        case ZYDIS_MNEMONIC_FRSTOR: return frstor;
        default: return nullptr;
    }
}

}  // namespace softmetal::interpreter
