// Gathers and masked moves, element by element: an element whose mask bit is clear is not accessed at all
// (SDM vol. 2, VGATHER.., VPGATHER.., VMASKMOV, VPMASKMOV, MASKMOVQ, MASKMOVDQU).
#include "interpreter/operands.hpp"
#include "interpreter/semantics.hpp"
#include "interpreter/x87_stack.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

/// A YMM register by bytes.
using VectorBytes = std::array<u8, 32>;

[[nodiscard]] VectorBytes read_vector(const CpuState& state, unsigned index) {
    VectorBytes v;
    std::memcpy(v.data(), &state.extended.xmm[index], 16);
    std::memcpy(v.data() + 16, &state.extended.ymm_high[index], 16);
    return v;
}
void write_vector(CpuState& state, unsigned index, const VectorBytes& v) {
    std::memcpy(&state.extended.xmm[index], v.data(), 16);
    std::memcpy(&state.extended.ymm_high[index], v.data() + 16, 16);
}

template <Word T>
[[nodiscard]] T element(const VectorBytes& v, unsigned n) {
    T value;
    std::memcpy(&value, v.data() + n * sizeof(T), sizeof(T));
    return value;
}
template <Word T>
void set_element(VectorBytes& v, unsigned n, T value) {
    std::memcpy(v.data() + n * sizeof(T), &value, sizeof(T));
}
template <Word T>
[[nodiscard]] bool selected(const VectorBytes& mask, unsigned n) {
    return element<T>(mask, n) >> (8 * sizeof(T) - 1);
}

/// 32 where VEX.L is set, else 16.
[[nodiscard]] unsigned vector_length(const Instruction& i) {
    return i.bytes[i.layout.vex_offset + i.layout.vex_size - 1u] & 4 ? 32 : 16;
}

[[nodiscard]] GuestLinear element_address(Vcpu& vcpu, const Instruction& i, u64 offset, unsigned size,
                                          Access access) {
    if (i.address_size < 8) offset &= low_bits(i.address_size * 8u);
    return linear_address_unaligned(vcpu, i.memory.segment, offset, size, access);
}

// --- gathers

/// Done elements stay done when a later one faults: their mask is clear then, and RIP is on the instruction.
template <Word T, Word Index>
void gather(Vcpu& vcpu, const Instruction& i, void*) {
    CpuState& state = vcpu.state;
    const unsigned destination = i.operands[0].index, mask_register = i.operands[2].index;
    const unsigned index_register = i.memory.index;
    if (destination == mask_register || destination == index_register || mask_register == index_register)
        raise_ud();
    const unsigned length = vector_length(i);
    const unsigned count = length / static_cast<unsigned>(std::max(sizeof(T), sizeof(Index)));
    const VectorBytes indices = read_vector(state, index_register);
    VectorBytes result = read_vector(state, destination), mask = read_vector(state, mask_register);
    const u64 base = effective_offset(state, i);
    const Privilege p = vcpu.mmu.data_privilege();
    // Intel's processors make the mask whole elements before the first access, and a fault shows it so;
    // AMD's only clear what is done, and the destination's upper part at the end.
    const bool clears_first = !vcpu.model.is_amd();
    if (clears_first) {
        VectorBytes whole{};
        for (unsigned n = 0; n < length / sizeof(T); n++)
            set_element<T>(whole, n, selected<T>(mask, n) ? static_cast<T>(~T{0}) : T{0});
        mask = whole;
        write_vector(state, mask_register, mask);
    }
    for (unsigned n = 0; n < count; n++) {
        if (selected<T>(mask, n)) {
            const u64 scaled = sign_extend(element<Index>(indices, n), 8 * sizeof(Index)) * i.memory.scale;
            set_element<T>(
                result, n,
                vcpu.linear.read<T>(element_address(vcpu, i, base + scaled, sizeof(T), Access::read), p));
            if (clears_first) std::fill(result.begin() + length, result.end(), u8{0});
            write_vector(state, destination, result);
        }
        set_element<T>(mask, n, T{0});
        write_vector(state, mask_register, mask);
    }
    std::fill(result.begin() + count * sizeof(T), result.end(), u8{0});
    write_vector(state, destination, result);
    write_vector(state, mask_register, VectorBytes{});
}

// --- VMASKMOV, VPMASKMOV

template <Word T>
void masked_load(Vcpu& vcpu, const Instruction& i, void*) {
    const VectorBytes mask = read_vector(vcpu.state, i.operands[1].index);
    VectorBytes result{};
    const u64 base = effective_offset(vcpu.state, i);
    const Privilege p = vcpu.mmu.data_privilege();
    for (unsigned n = 0; n < vector_length(i) / sizeof(T); n++)
        if (selected<T>(mask, n))
            set_element<T>(result, n,
                           vcpu.linear.read<T>(
                               element_address(vcpu, i, base + n * sizeof(T), sizeof(T), Access::read), p));
    write_vector(vcpu.state, i.operands[0].index, result);
}

/// Stores the selected elements at `offset` onwards; all are probed before the first is written.
template <Word T>
void store_selected(Vcpu& vcpu, const Instruction& i, const VectorBytes& mask, const VectorBytes& values,
                    u64 offset, unsigned count) {
    const Privilege p = vcpu.mmu.data_privilege();
    const auto address = [&](unsigned n) {
        return element_address(vcpu, i, offset + n * sizeof(T), sizeof(T), Access::write);
    };
    for (unsigned n = 0; n < count; n++)
        if (selected<T>(mask, n)) vcpu.linear.probe_write(address(n), sizeof(T), p);
    for (unsigned n = 0; n < count; n++)
        if (selected<T>(mask, n)) vcpu.linear.write<T>(address(n), element<T>(values, n), p);
}

template <Word T>
void masked_store(Vcpu& vcpu, const Instruction& i, void*) {
    store_selected<T>(vcpu, i, read_vector(vcpu.state, i.operands[1].index),
                      read_vector(vcpu.state, i.operands[2].index), effective_offset(vcpu.state, i),
                      vector_length(i) / static_cast<unsigned>(sizeof(T)));
}

template <Word T>
Semantics masked_move(const Instruction& i) {
    return i.operands[0].kind == OperandKind::memory ? masked_store<T> : masked_load<T>;
}

// --- MASKMOVQ, MASKMOVDQU: bytes to DS:rDI

[[nodiscard]] VectorBytes read_vector_or_mmx(const CpuState& state, const Operand& operand) {
    if (operand.kind == OperandKind::vector) return read_vector(state, operand.index);
    // MMX registers are the x87 registers by physical number; the state keeps them by stack position.
    VectorBytes v{};
    std::memcpy(v.data(), &state.extended.x87[(operand.index - x87_top(state.extended)) & 7].low, 8);
    return v;
}

void store_bytes(Vcpu& vcpu, const Instruction& i, void*) {
    const unsigned count = i.operands[0].kind == OperandKind::mmx ? 8 : 16;
    if (count == 8 && vcpu.state.reports_x87_error()) raise(x86::Vector::x87_floating_point);
    if (count == 8) enter_mmx_state(vcpu.state.extended);  // even where a fault follows
    const u64 offset = vcpu.state.gpr[x86::rdi] & low_bits(i.address_size * 8u);
    (void)linear_address(vcpu, i.memory.segment, offset, 8, Access::write);  // alignment goes by quadwords
    // Bytes that are not selected may fault (SDM vol. 2, MASKMOVDQU), and processors make them.
    vcpu.linear.probe_write(linear_address_unaligned(vcpu, i.memory.segment, offset, count, Access::write),
                            count, vcpu.mmu.data_privilege());
    store_selected<u8>(vcpu, i, read_vector_or_mmx(vcpu.state, i.operands[1]),
                       read_vector_or_mmx(vcpu.state, i.operands[0]), offset, count);
}

}  // namespace

Semantics masked_move_semantics(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_VGATHERDPS:
        case ZYDIS_MNEMONIC_VPGATHERDD: return gather<u32, u32>;
        case ZYDIS_MNEMONIC_VGATHERDPD:
        case ZYDIS_MNEMONIC_VPGATHERDQ: return gather<u64, u32>;
        case ZYDIS_MNEMONIC_VGATHERQPS:
        case ZYDIS_MNEMONIC_VPGATHERQD: return gather<u32, u64>;
        case ZYDIS_MNEMONIC_VGATHERQPD:
        case ZYDIS_MNEMONIC_VPGATHERQQ: return gather<u64, u64>;
        case ZYDIS_MNEMONIC_VMASKMOVPS:
        case ZYDIS_MNEMONIC_VPMASKMOVD: return masked_move<u32>(i);
        case ZYDIS_MNEMONIC_VMASKMOVPD:
        case ZYDIS_MNEMONIC_VPMASKMOVQ: return masked_move<u64>(i);
        case ZYDIS_MNEMONIC_MASKMOVQ:
        case ZYDIS_MNEMONIC_MASKMOVDQU:
        case ZYDIS_MNEMONIC_VMASKMOVDQU: return store_bytes;
        default: return nullptr;
    }
}

}  // namespace softmetal::interpreter
