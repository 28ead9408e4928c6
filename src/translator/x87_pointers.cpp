// FIP, FDP and FOP of x87 instructions that ran translated: the processor recorded the translation, the guest
// must see itself, and must not learn where the host keeps its code and its memory.
#include "decoder/decoder.hpp"
#include "translator/translator.hpp"

#include <algorithm>

namespace softmetal {

using translator::Block;
using translator::FastCalls;

void Translator::remember_x87_pointers() {
    fast_calls_.loaded_x87_pointers = FastCalls::X87Pointers(vcpu_.state.extended);
}

void Translator::hide_x87_pointers() {
    ExtendedState& e = vcpu_.state.extended;
    const auto& loaded = fast_calls_.loaded_x87_pointers;
    if (vcpu_.model.is_amd() && !e.x87_exception_pending()) {
        // XSAVE has stored none (APM vol. 2, ch. 11.5.3): those loaded are the best known, but after FNINIT.
        const bool initialized = FastCalls::X87Pointers(e).initial && !loaded.initial;
        if (!initialized) e.fip = loaded.fip, e.fdp = loaded.fdp, e.fop = loaded.fop;
        return;
    }
    const u64 offset = e.fip - host_code(0);
    if (offset >= code_.size()) return;
    // Every x87 instruction is a fault point, so its guest address is known while its block exists.
    e.fip = 0;
    const Block* block = cache_->containing(static_cast<u32>(offset));
    if (block) {
        const auto point =
            std::ranges::lower_bound(block->fault_points, offset, {}, &Block::FaultPoint::code);
        if (point != block->fault_points.end() && point->code == offset)
            e.fip = site_rip(cache_->table.sites[point->site]);
    }
    // The operand's guest address is gone; where the processor records it at all, that is for unmasked
    // exceptions.
    if (e.fdp != loaded.fdp) e.fdp = 0;
    // AMD's processors record FOP with FIP, and the translation's may happen to be the one loaded.
    if (e.fop == loaded.fop && !vcpu_.model.is_amd()) return;
    e.fop = 0;
    const u8* page = e.fip ? code_page(linear(e.fip)) : nullptr;
    if (!page) return;
    const u64 at = e.fip & ~page_mask;
    const auto i = decode({page + at, page_size - at}, 8);
    if (i && i->layout.modrm)
        e.fop = static_cast<u16>((i->bytes[i->layout.opcode] & 7) << 8 | i->bytes[i->layout.modrm]);
}

}  // namespace softmetal
