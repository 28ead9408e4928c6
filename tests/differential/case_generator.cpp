#include "case_generator.hpp"

#include "base/bits.hpp"
#include "instruction_setup.hpp"
#include "operand_values.hpp"
#include "test_segments.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace softmetal::differential {
namespace {

/// The x86 number of a general-purpose register of any width.
unsigned gpr_number(ZydisRegister reg) { return static_cast<unsigned>(ZydisRegisterGetId(reg)) & 15; }

class Generator {
 public:
    Generator(const InstructionForm& form, u64 seed, u64 number, TestCase& out)
        : form_(form), random_(seed ^ hash(form.id) ^ number * 0x9e3779b97f4a7c15), out_(out) {}

    void run() {
        constexpr unsigned patience = 1000;  // an encoding whose address cannot be met is drawn again
        for (unsigned i = 0; i < patience; i++)
            if (attempt()) return;
        throw std::logic_error("no case can be made for " + form_.id);
    }

 private:
    bool attempt() {
        if (!choose_encoding()) return false;
        const bool mmx = uses_mmx();
        Registers& r = out_.registers;
        const bool code64 = form_.fields.code_size == 8;
        for (unsigned i = 0; i < r.gpr.size(); i++)
            r.gpr[i] = code64 ? integer_value(random_) : i < 8 ? integer_value(random_) & 0xffffffff : 0;
        r.rip = layout::instruction - segments::code_base(out_.code_size);
        r.rflags = x86::flags::always_one | x86::flags::interrupt | (random_.next() & x86::flags::status);
        if (random_.percent(25)) r.rflags |= x86::flags::df;
        if (random_.percent(3)) r.rflags |= x86::flags::ac;
        r.extended = extended_state(random_, mmx);
        out_.fs_base = out_.gs_base = 0;
        out_.local_segments = form_.local_segments;
        out_.goes_to_64bit = false;
        out_.selectors = {.cs = segments::code_selector(out_.code_size), .ss = segments::user_data};
        if (!code64)
            choose_segments();
        else if (form_.local_segments)
            choose_segments64();

        fill_memory();
        InstructionSetup setup{decoded_, random_, out_};
        setup.before_address();
        if (!place_operand(setup)) return false;
        setup.after_address();
        if (random_.percent(2)) add_forbidden_lock();
        finish_code_page();
        return true;
    }

    /// Mostly flat; 16-bit addresses reach the data through a segment with a base.
    void choose_segments() {
        Selectors& s = out_.selectors;
        const bool address16 = decoded_.instruction.address_width == 16;
        s.ds = s.es = address16 && random_.percent(80) ? segments::data16 : segments::user_data;
        if (random_.percent(5)) s.ds = segments::usable_selector(random_);
        if (random_.percent(5)) s.es = segments::usable_selector(random_);
        s.gs = random_.percent(50) ? segments::data16 : segments::usable_selector(random_);
        s.fs = random_.percent(50) ? u16{0} : segments::usable_selector(random_);
        constexpr auto stacks =
            std::to_array<u16>({segments::stack32, segments::stack16, segments::stack_down});
        s.ss = random_.percent(80) ? segments::user_data : random_.one_of(stacks);
    }

    /// Their bases but for those of FS and GS mean nothing.
    void choose_segments64() {
        Selectors& s = out_.selectors;
        for (u16* selector : {&s.ds, &s.es, &s.fs, &s.gs})
            if (random_.percent(50)) *selector = segments::usable_selector(random_);
        out_.fs_base = canonical_value(random_);
        out_.gs_base = canonical_value(random_);
    }

    // --- encoding

    bool choose_encoding() {
        EncodingFields f = form_.fields;
        if (f.has_modrm) {
            f.reg = choose_field(form_.reg_values);
            if (f.mod == 3)
                f.rm = choose_field(form_.rm_values);
            else
                choose_memory_fields(f);
        } else if (form_.register_in_opcode) {
            f.opcode |= static_cast<u8>(random_.below(8));
            if (f.code_size == 8) f.rm = static_cast<u8>(random_.below(2) << 3);
        }
        if (f.vex) f.vvvv = form_.uses_vvvv ? any_register() : 0;
        f.rex = random_.percent(25);
        f.ignored_vex_bits = form_.uses_vvvv && random_.percent(20);
        if (f.vex && random_.percent(20)) f.w = !f.w;  // where W is ignored the form stays the same
        if (random_.percent(5)) add_ignored_prefix(f);
        for (u8& byte : f.tail) byte = static_cast<u8>(random_.next());
        if (random_.percent(30)) f.tail[random_.below(4)] = static_cast<u8>(random_.below(2) * 0xff);

        out_.bytes = encode(f);
        out_.code_size = f.code_size;
        if (!decode_bytes(out_.bytes, f.code_size, decoded_) || form_id(f, decoded_) != form_.id)
            return false;
        out_.length = decoded_.instruction.length;
        return !same_gather_registers();
    }

    /// A value the form allows; where it allows all of them the field names a register, and REX extends it.
    u8 choose_field(u8 allowed) {
        u8 value;
        do value = static_cast<u8>(random_.below(8));
        while (!(allowed >> value & 1));
        const bool extended = form_.fields.code_size == 8 && allowed == 0xff;
        return extended && random_.percent(50) ? value | 8 : value;
    }
    u8 any_register() { return static_cast<u8>(random_.below(form_.fields.code_size == 8 ? 16 : 8)); }

    /// Where a prefix would make another instruction of it, the form's name changes and the encoding is drawn
    /// again.
    void add_ignored_prefix(EncodingFields& f) {
        constexpr std::array<u8, 4> null_segments = {0x26, 0x2e, 0x36, 0x3e};
        constexpr std::array<u8, 3> selecting = {0x66, 0xf2, 0xf3};
        const bool general = form_.fields.map < 2 && !form_.fields.mandatory && !form_.fields.vex &&
                             (form_.isa_set == ZYDIS_ISA_SET_I86 || form_.isa_set == ZYDIS_ISA_SET_I386);
        f.ignored_prefix =
            general && random_.percent(50) ? random_.one_of(selecting) : random_.one_of(null_segments);
    }

    /// LOCK in front of what may not be locked: #UD, whatever the operands (SDM vol. 2, LOCK).
    void add_forbidden_lock() {
        // AMD's other name for CR8 (APM vol. 3, MOV CRn).
        if (form_.fields.map == 1 && (form_.fields.opcode == 0x20 || form_.fields.opcode == 0x22)) return;
        // Zen 4 with the microcode that makes VERW clear buffers lets it pass.
        if (form_.mnemonic == ZYDIS_MNEMONIC_VERW) return;
        std::array<u8, 16> locked{0xf0};
        std::copy_n(out_.bytes.begin(), 14, locked.begin() + 1);
        Decoded ignored;
        if (out_.length > 14 || decode_bytes(locked, out_.code_size, ignored)) return;
        out_.bytes = locked;
        out_.length++;
    }

    void choose_memory_fields(EncodingFields& f) {
        f.mod = static_cast<u8>(random_.below(3));
        f.rm = form_.vsib ? 4 : any_register();
        if (random_.percent(25)) f.rm = 4;
        f.sib_scale = static_cast<u8>(random_.below(4));
        f.sib_index = any_register();
        f.sib_base = any_register();
        f.other_address_size = random_.percent(f.code_size == 8 ? 6 : 20);
        if (random_.percent(6)) f.segment_prefix = 0x65;
        if (f.code_size != 8 && random_.percent(6))
            f.segment_prefix = random_.one_of(std::array<u8, 5>{0x26, 0x2e, 0x36, 0x3e, 0x64});
    }

    bool same_gather_registers() const {
        if (!form_.vsib) return false;
        const unsigned destination = vector_of(0), index = vector_of(1), mask = vector_of(2);
        // That raises #UD, and is worth a case now and then.
        return (destination == index || destination == mask || index == mask) && hash(form_.id) % 16 != 0;
    }
    unsigned vector_of(unsigned operand) const {
        const ZydisDecodedOperand& o = decoded_.operands[operand];
        return gpr_number(o.type == ZYDIS_OPERAND_TYPE_MEMORY ? o.mem.index : o.reg.value);
    }

    bool uses_mmx() {
        for (unsigned i = 0; i < decoded_.instruction.operand_count; i++)
            if (decoded_.operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
                ZydisRegisterGetClass(decoded_.operands[i].reg.value) == ZYDIS_REGCLASS_MMX)
                return random_.percent(85);
        return random_.percent(5);
    }

    // --- memory

    void fill_memory() {
        out_.memory.bytes[0].fill(0xcc);
        for (std::size_t page = 1; page < pages.size(); page++)
            for (std::size_t at = 0; at < page_size; at += 8) {
                const u64 word = random_.next();
                std::memcpy(&out_.memory.bytes[page][at], &word, 8);
            }
    }

    void finish_code_page() { out_.memory.store(layout::instruction, out_.bytes.data(), out_.length); }

    const ZydisDecodedOperand* memory_operand() const {
        for (unsigned i = 0; i < decoded_.instruction.operand_count; i++) {
            const ZydisDecodedOperand& o = decoded_.operands[i];
            if (o.type == ZYDIS_OPERAND_TYPE_MEMORY && o.encoding != ZYDIS_OPERAND_ENCODING_NONE) return &o;
        }
        return nullptr;
    }

    u64& gpr(ZydisRegister reg) { return out_.registers.gpr[gpr_number(reg)]; }

    /// Where the operand shall lie.
    u64 choose_target(u64 size, const InstructionSetup& setup) {
        using namespace layout;
        const u64 kind = random_.below(100);
        const u64 across = size > 1 ? 1 + random_.below(size - 1) : 0;
        if (setup.wide_operand()) size = setup.wide_operand();
        if (kind < 2) return hole + random_.below(0x800);  // not mapped
        if (kind < 6) return read_only + random_.below(page_size - size);
        if (across) {
            if (kind < 12) return data + page_size - across;  // both writable
            if (kind < 14) return read_only - across;         // the second is not
            // (not of large areas: which piece faults first is the processor's choice)
            if (kind < 15 && size <= 32)
                return writable_again + page_size - across;  // the second is not mapped
            if (kind < 16) return data - across;             // the first is not mapped
            if (kind < 17) return writable_again - across;   // the first is not writable
        }
        const u64 target = data + random_.below(2 * page_size - size);
        const u64 alignment = std::min<u64>(std::bit_floor(std::max<u64>(size, 1)), 64);
        return random_.percent(setup.wants_alignment() ? 90 : 60) ? align_down(target, alignment) : target;
    }

    /// Solves base + index * scale + displacement = target for the parts that are free.
    bool place_operand(InstructionSetup& setup) {
        const ZydisDecodedOperand* operand = memory_operand();
        if (!operand) return true;
        const auto& m = operand->mem;
        const bool accessed = m.type != ZYDIS_MEMOP_TYPE_AGEN;
        u64 target = setup.fixed_target();
        if (!target) target = choose_target(accessed ? operand->size / 8u : 0, setup);
        if (out_.code_size == 8 && m.segment == ZYDIS_REGISTER_GS)
            out_.gs_base = 16 + align_down(random_.below(0x100000), 16);  // 0 would be the host's
        const u64 width = setup.address_mask(), base = setup.segment_base(m.segment);
        const bool narrow = decoded_.instruction.address_width < (out_.code_size == 8 ? 64 : 32);
        const u64 offset = (target - base) & width;
        if (narrow) target = base + offset;  // as near as the address size allows

        const auto& raw = decoded_.instruction.raw.disp;
        i64 displacement = m.disp.has_displacement ? m.disp.value : 0;

        u64 index = 0;
        if (m.index != ZYDIS_REGISTER_NONE && m.type != ZYDIS_MEMOP_TYPE_VSIB) index = gpr(m.index) * m.scale;
        const bool rip_relative = m.base == ZYDIS_REGISTER_RIP || m.base == ZYDIS_REGISTER_EIP;
        const bool has_base = m.base != ZYDIS_REGISTER_NONE && !rip_relative;

        if (rip_relative || !has_base || setup.pinned(gpr_number(m.base))) {
            // Only the displacement is left.
            u64 known = index;
            if (rip_relative) known = layout::instruction + out_.length;
            if (has_base) known += gpr(m.base);
            i64 wanted = static_cast<i64>(offset - known);
            wanted =
                static_cast<i64>(sign_extend(static_cast<u64>(wanted), decoded_.instruction.address_width));
            if (!set_displacement(raw, wanted) &&
                !free_index(setup, m, offset - (known - index) - static_cast<u64>(displacement)))
                return false;
        } else if (m.index != ZYDIS_REGISTER_NONE && m.type != ZYDIS_MEMOP_TYPE_VSIB &&
                   gpr_number(m.index) == gpr_number(m.base)) {
            const u64 sum = offset - static_cast<u64>(displacement);
            gpr(m.base) = (sum & width) / (m.scale + 1u);
            target += gpr(m.base) * (m.scale + 1u) - (sum & width);  // where it does not divide
            gpr(m.base) = setup.with_junk(gpr(m.base));
        } else {
            gpr(m.base) = offset - index - static_cast<u64>(displacement);
            if (width != ~u64{0})
                gpr(m.base) = setup.with_junk(gpr(m.base));
            else if (accessed && random_.percent(1) && !setup.fixed_target()) {
                constexpr u64 not_canonical = u64{1} << 55;
                gpr(m.base) ^= not_canonical;
                target ^= not_canonical;
            }
        }
        const bool in_local_segment = base != 0 && out_.code_size != 8;
        if (!setup.allows_target(target, in_local_segment)) return false;
        setup.operand_at(target, operand->size / 8u, in_local_segment);
        return decode_bytes(out_.bytes, out_.code_size, decoded_);
    }

    /// Without a free base or displacement the index may still reach the target.
    bool free_index(const InstructionSetup& setup, const ZydisDecodedOperandMem& m, u64 rest) {
        if (m.index == ZYDIS_REGISTER_NONE || m.type == ZYDIS_MEMOP_TYPE_VSIB || rest % m.scale ||
            setup.pinned(gpr_number(m.index)) || m.index == m.base)
            return false;
        gpr(m.index) = (rest & setup.address_mask()) / m.scale;
        return true;
    }

    template <class Displacement>
    bool set_displacement(const Displacement& raw, i64 value) {
        const unsigned size = raw.size;
        if (size == 0 || (size < 64 && static_cast<u64>(value) != sign_extend(static_cast<u64>(value), size)))
            return false;
        std::memcpy(&out_.bytes[raw.offset], &value, size / 8);
        return true;
    }

    const InstructionForm& form_;
    Random random_;
    TestCase& out_;
    Decoded decoded_{};
};

}  // namespace

void generate_case(const InstructionForm& form, u64 seed, u64 number, TestCase& out) {
    Generator(form, seed, number, out).run();
}

}  // namespace softmetal::differential
