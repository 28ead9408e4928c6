#include "guest_kernel.hpp"

#include "test_segments.hpp"
#include "x86/exceptions.hpp"
#include "x86/page_tables.hpp"

#include <cstring>

namespace softmetal::differential {
namespace {

// Guest-physical pages; the kernel maps them one to one above its base.
constexpr u64 top_table = 0x1000, first_table = 0x2000;
constexpr u64 gdt = 0x20000, idt = 0x21000, tss = 0x22000, handlers = 0x23000, handler_stack_end = 0x25000,
              ldt = 0x25000, kernel_end = 0x26000;
constexpr u64 kernel_base64 = 0xffff'8000'0000'0000, kernel_base32 = 0xc000'0000;
constexpr u64 handler_spacing = 16;
constexpr unsigned vectors = 32;
constexpr u16 tss_limit = 0x67;
constexpr u16 kernel_code32 = 0x08, kernel_code64 = 0x10, kernel_data = 0x18, task = 0x80;

constexpr u64 user_level = u64{3} << 45;
using segments::code32_descriptor, segments::code64_descriptor, segments::data_descriptor;

}  // namespace

GuestKernel::GuestKernel(GuestMemory& memory, KernelMode mode)
    : memory_(memory), mode_(mode), next_table_(first_table) {
    build_page_tables();
    build_descriptors();
    build_handlers();
}

u64 GuestKernel::kernel_base() const { return long_mode() ? kernel_base64 : kernel_base32; }

void GuestKernel::map(u64 linear, u64 physical, u64 rights) {
    using namespace x86;
    u64 table = top_table;
    // PAE's top level has four entries, in which rights are reserved bits (SDM vol. 3, ch. 4.4.1).
    for (unsigned shift = long_mode() ? 39 : 30; shift > page_shift; shift -= 9) {
        const u64 entry = table + (linear >> shift & 511) * 8;
        const bool pointer = !long_mode() && shift == 30;
        if (!get(entry)) {
            put(entry, next_table_ | pte::present | (pointer ? 0 : pte::writable | pte::user));
            next_table_ += page_size;
        }
        table = get(entry) & page_mask;
    }
    put(table + (linear >> page_shift & 511) * 8, physical | pte::present | rights);
}

void GuestKernel::build_page_tables() {
    using namespace x86;
    for (std::size_t i = 0; i < pages.size(); i++) {
        u64 rights = pte::user | (pages[i].writable ? pte::writable : 0);
        if (pages[i].linear != layout::code) rights |= pte::no_execute;
        map(pages[i].linear, case_pages + i * page_size, rights);
    }
    for (u64 page = gdt; page < kernel_end; page += page_size) map(kernel_base() + page, page, pte::writable);
}

void GuestKernel::build_descriptors() {
    using x86::selector::offset;
    put(gdt + kernel_code32, code32_descriptor & ~user_level);
    put(gdt + kernel_code64, code64_descriptor & ~user_level);
    put(gdt + kernel_data, data_descriptor & ~user_level);
    put(gdt + offset(segments::user_code64), code64_descriptor);
    put(gdt + offset(segments::user_data), data_descriptor);
    put(gdt + offset(segments::user_code32), code32_descriptor);
    for (unsigned i = 0; i < segments::local.size(); i++)
        put(ldt + i * 8, segments::descriptor(segments::local[i]));
}

void GuestKernel::put_gate(unsigned vector, u64 handler, u64 attributes) {
    const u64 code = long_mode() ? kernel_code64 : kernel_code32;
    const u64 low = (handler & 0xffff) | code << 16 | attributes << 32 | (handler >> 16 & 0xffff) << 48;
    if (!long_mode()) return put(idt + vector * 8, low);
    put(idt + vector * 16, low);
    put(idt + vector * 16 + 8, handler >> 32);
}

/// The task state segment: the stack for exceptions, and no I/O permission bitmap (SDM vol. 3, ch. 8.2.1
/// and 8.7).
void GuestKernel::put_task_state(u64 top) {
    std::memcpy(memory_.pointer({tss + 4}), &top, 8);  // RSP0, or ESP0 in front of SS0
    if (!long_mode()) std::memcpy(memory_.pointer({tss + 8}), &kernel_data, 2);
    constexpr u16 no_bitmap = tss_limit + 1;
    std::memcpy(memory_.pointer({tss + 0x66}), &no_bitmap, 2);  // no port is user level's
}

void GuestKernel::build_handlers() {
    // A handler says which vector it is by where its HLT stands. User level may call the gates of INT3 and
    // INTO.
    for (unsigned vector = 0; vector < vectors; vector++) {
        const bool open = vector == completed || vector == static_cast<unsigned>(x86::Vector::overflow);
        put_gate(vector, kernel_base() + handlers + vector * handler_spacing, 0x8e00 | (open ? 0x6000 : 0));
        *memory_.pointer({handlers + vector * handler_spacing}) = 0xf4;
    }
    put_task_state(kernel_base() + handler_stack_end);
}

CpuState GuestKernel::initial_state(const CpuModel& model) const {
    using namespace x86;
    CpuState s;
    s.cr0 = cr0::pe | cr0::mp | cr0::et | cr0::ne | cr0::wp | cr0::am | cr0::pg;
    s.cr3 = top_table;
    s.cr4 = (cr4::pae | cr4::osfxsr | cr4::osxmmexcpt | cr4::osxsave | cr4::fsgsbase) & model.supported_cr4();
    s.efer = efer::nxe | (long_mode() ? efer::sce | efer::lme | efer::lma : 0);
    if (!long_mode())
        for (unsigned i = 0; i < 4; i++) s.pdpte[i] = get(top_table + i * 8);
    s.xcr0 = model.supported_xcr0();
    s.gdtr = {kernel_base() + gdt, 0xfff};
    s.idtr = {kernel_base() + idt, static_cast<u16>(vectors * (long_mode() ? 16 : 8) - 1)};
    s.ldtr = {.selector = 0x88,
              .attributes = system_type::ldt | segment_attribute::present,
              .base = kernel_base() + ldt,
              .limit = static_cast<u32>(segments::local.size() * 8 - 1)};
    s.tr = {.selector = task,
            .attributes = system_type::tss_busy | segment_attribute::present,
            .base = kernel_base() + tss,
            .limit = tss_limit};
    return s;
}

std::optional<GuestKernel::Exception> GuestKernel::exception(const CpuState& state) const {
    Exception e{.vector = static_cast<unsigned>((state.rip - kernel_base() - handlers) / handler_spacing)};
    // Error code where the vector has one, RIP, CS, RFLAGS, RSP, SS, each in the kernel's width.
    const unsigned width = long_mode() ? 8 : 4;
    u64 frame = state.gpr[x86::rsp] - kernel_base();
    if (e.vector >= vectors || frame > handler_stack_end - 5 * width) return std::nullopt;
    const auto word = [&](unsigned index) {
        u64 value = 0;
        std::memcpy(&value, memory_.pointer({frame + index * width}), width);
        return value;
    };
    if (x86::has_error_code(static_cast<x86::Vector>(e.vector))) {
        e.error_code = static_cast<u32>(word(0));
        frame += width;
    }
    e.rip = word(0), e.rflags = word(2), e.rsp = word(3);
    e.cs = static_cast<u16>(word(1)), e.ss = static_cast<u16>(word(4));
    return e;
}

}  // namespace softmetal::differential
