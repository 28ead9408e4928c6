#include "guest.hpp"

#include "x86/page_tables.hpp"

namespace softmetal::test {

namespace {

namespace attribute = x86::segment_attribute;
using x86::Segment;

constexpr u64 pml4 = 0x1000, pdpt = 0x2000, directory = 0x3000, page_table = 0x4000, gdt = 0x8000,
              idt = 0x9000, tss = 0xa000, handlers = 0xb000;
constexpr u64 handler_spacing = 16;
constexpr u64 ram = 8 << 20;
constexpr u8 hlt = 0xf4;

constexpr u16 code_selector = 0x08, data_selector = 0x10, user_data_selector = 0x18,
              user_code_selector = 0x20, tss_selector = 0x28;

x86::SegmentRegister flat(u16 selector, u32 type, u32 size, unsigned cpl) {
    return {.selector = static_cast<u16>(selector | cpl),
            .attributes = type | attribute::not_system | attribute::present | size | attribute::granularity |
                          attribute::accessed | attribute::writable_or_readable |
                          (cpl << attribute::dpl_shift),
            .limit = 0xffffffff};
}

/// A descriptor from a segment register's attributes; base 0, limit 4 GiB.
u64 descriptor(const x86::SegmentRegister& s) { return u64{s.attributes} << 40 | u64{0xf} << 48 | 0xffff; }

}  // namespace

Guest::Guest(Mode m, unsigned cpl, std::string_view cpu_model)
    : mode(m),
      memory(std::move(GuestMemory::create(ram).value())),
      model(CpuModel::named(cpu_model, 1, 1'000'000'000).value()) {
    EXPECT_TRUE(ports.attach({port_base, 16}, recorder));
    vcpu = std::make_unique<Vcpu>(0, model, Vcpu::Surroundings{*memory, ports, mmio, clock});
    interpreter = std::make_unique<Interpreter>(*vcpu);
    write_handlers();
    switch (mode) {
        case Mode::real16: enter_real(); break;
        case Mode::flat32: enter_flat(); break;
        case Mode::long64: enter_long(cpl); break;
    }
    vcpu->mmu.flush_all();
    gpr(x86::rsp) = stack_top;
}

void Guest::write_handlers() {
    for (u64 vector = 0; vector < 256; vector++) poke<u8>(handlers + vector * handler_spacing, hlt);
}

void Guest::enter_real() {
    for (u64 vector = 0; vector < 256; vector++)
        poke<u32>(vector * 4, static_cast<u32>(handlers >> 4 << 16 | vector * handler_spacing));
    CpuState& s = vcpu->state;
    for (auto& segment : s.segment) segment = {.attributes = 0x93, .limit = 0xffff};
    s.seg(Segment::cs) = {.selector = code >> 4, .attributes = 0x93, .base = code, .limit = 0xffff};
    s.idtr = {.base = 0, .limit = 0x3ff};
}

void Guest::enter_flat() {
    CpuState& s = vcpu->state;
    s.cr0 |= x86::cr0::pe;
    s.seg(Segment::cs) = flat(code_selector, attribute::code, attribute::default_big, 0);
    for (const Segment d : {Segment::ds, Segment::es, Segment::ss, Segment::fs, Segment::gs})
        s.seg(d) = flat(data_selector, 0, attribute::default_big, 0);
    poke<u64>(gdt + code_selector, descriptor(s.seg(Segment::cs)));
    poke<u64>(gdt + data_selector, descriptor(s.seg(Segment::ds)));
    s.gdtr = {.base = gdt, .limit = 0xff};
    for (u64 vector = 0; vector < 256; vector++) {
        const u64 target = handlers + vector * handler_spacing;
        poke<u64>(idt + vector * 8,
                  (target & 0xffff) | u64{code_selector} << 16 | u64{0xee00} << 32 | target >> 16 << 48);
    }
    s.idtr = {.base = idt, .limit = 256 * 8 - 1};
    s.cr4 |= x86::cr4::osfxsr;
}

void Guest::enter_long(unsigned cpl) {
    namespace pte = x86::pte;
    constexpr u64 open = pte::present | pte::writable | pte::user;
    poke<u64>(pml4, pdpt | open);
    poke<u64>(pdpt, directory | open);
    poke<u64>(directory, page_table | open);
    for (u64 n = 1; n < ram >> 21; n++) poke<u64>(directory + n * 8, n << 21 | open | pte::large);
    for (u64 n = 0; n < 512; n++) poke<u64>(page_table + n * 8, n << 12 | open);
    set_page(unmapped, 0);
    set_page(read_only, read_only | pte::present | pte::user);

    CpuState& s = vcpu->state;
    s.cr0 |= x86::cr0::pe | x86::cr0::pg | x86::cr0::wp | x86::cr0::ne | x86::cr0::mp;
    s.cr3 = pml4;
    s.cr4 = x86::cr4::pae | x86::cr4::osfxsr | x86::cr4::osxmmexcpt | x86::cr4::osxsave;
    s.xcr0 = model.supported_xcr0();
    s.efer = x86::efer::lme | x86::efer::lma | x86::efer::sce | x86::efer::nxe;
    const auto kernel_code = flat(code_selector, attribute::code, attribute::long_mode, 0);
    const auto user_code = flat(user_code_selector, attribute::code, attribute::long_mode, 3);
    const auto kernel_data = flat(data_selector, 0, attribute::default_big, 0);
    const auto user_data = flat(user_data_selector, 0, attribute::default_big, 3);
    poke<u64>(gdt + code_selector, descriptor(kernel_code));
    poke<u64>(gdt + data_selector, descriptor(kernel_data));
    poke<u64>(gdt + user_code_selector, descriptor(user_code));
    poke<u64>(gdt + user_data_selector, descriptor(user_data));
    s.seg(Segment::cs) = cpl ? user_code : kernel_code;
    for (const Segment d : {Segment::ds, Segment::es, Segment::ss, Segment::fs, Segment::gs})
        s.seg(d) = cpl ? user_data : kernel_data;
    s.gdtr = {.base = gdt, .limit = 0xff};
    poke<u64>(tss + 4, stack_top + 0x10000);  // RSP0
    poke<u16>(tss + 0x66, 0x68);              // no I/O bitmap
    s.tr = {.selector = tss_selector, .attributes = 0x8b, .base = tss, .limit = 0x67};
    for (u64 vector = 0; vector < 256; vector++) {
        const u64 target = handlers + vector * handler_spacing;
        poke<u64>(idt + vector * 16,
                  (target & 0xffff) | u64{code_selector} << 16 | u64{0xee00} << 32 | target >> 16 << 48);
        poke<u64>(idt + vector * 16 + 8, 0);
    }
    s.idtr = {.base = idt, .limit = 256 * 16 - 1};
}

void Guest::set_page(u64 linear, u64 entry) { poke<u64>(page_table + (linear >> 12) * 8, entry); }

void Guest::place(const Program& program, u64 where) {
    asmjit::CodeHolder holder;
    holder.init(asmjit::Environment(mode == Mode::long64 ? asmjit::Arch::kX64 : asmjit::Arch::kX86), where);
    jit::Assembler a(&holder);
    program(a);
    a.hlt();
    ASSERT_EQ(holder.flatten(), asmjit::kErrorOk);
    ASSERT_EQ(holder.resolveUnresolvedLinks(), asmjit::kErrorOk);
    ASSERT_EQ(holder.relocateToBase(where), asmjit::kErrorOk);
    std::vector<u8> bytes(holder.codeSize());
    ASSERT_EQ(holder.copyFlattenedData(bytes.data(), bytes.size()), asmjit::kErrorOk);
    place_bytes(bytes, where);
}

void Guest::place_bytes(std::span<const u8> bytes, u64 where) {
    for (const u8 b : bytes) poke<u8>(where++, b);
}

void Guest::go(u64 where, u64 most) {
    CpuState& s = vcpu->state;
    s.activity = Activity::running;
    s.rip = mode == Mode::real16 ? where - s.seg(Segment::cs).base : where;
    interpreter->run(most);
}

void Guest::run_bytes(std::initializer_list<u8> bytes) {
    place_bytes({bytes.begin(), bytes.size()});
    poke<u8>(code + bytes.size(), hlt);
    go();
}

std::optional<Fault> Guest::fault() const {
    const CpuState& s = vcpu->state;
    const u64 rip = s.seg(Segment::cs).base * (mode == Mode::real16) + s.rip;
    if (s.activity != Activity::halted || rip < handlers || rip >= handlers + 256 * handler_spacing)
        return {};
    const auto vector = static_cast<x86::Vector>((rip - handlers) / handler_spacing);
    u64 frame = s.gpr[x86::rsp] & (mode == Mode::real16 ? 0xffff : ~u64{0});
    Fault result{.vector = vector};
    const unsigned slot = mode == Mode::long64 ? 8 : mode == Mode::flat32 ? 4 : 2;
    if (mode != Mode::real16 && x86::has_error_code(vector)) {
        result.error_code = peek<u32>(frame);
        frame += slot;
    }
    const auto pushed = [&](unsigned number) -> u64 {
        const u64 at = frame + number * slot;
        return slot == 8 ? peek<u64>(at) : slot == 4 ? peek<u32>(at) : peek<u16>(at);
    };
    result.rip = pushed(0);
    result.flags = pushed(2);
    return result;
}

}  // namespace softmetal::test
