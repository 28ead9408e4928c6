#include "cpu/vcpu.hpp"

#include "cpu/system_registers.hpp"

#include <thread>

namespace softmetal {

namespace {

/// Pages of its own for what translated code addresses.
struct alignas(page_size) BlockPages {
    VcpuBlock block;
};
static_assert(std::is_standard_layout_v<BlockPages>);  // the block's address is the storage's

VcpuBlock& allocate_block() { return (new BlockPages)->block; }

namespace attribute = x86::segment_attribute;

constexpr u32 real_mode_segment =
    attribute::present | attribute::not_system | attribute::writable_or_readable | attribute::accessed;

}  // namespace

Vcpu::Vcpu(unsigned vcpu_index, const CpuModel& cpu_model, Surroundings surroundings)
    : index(vcpu_index),
      model(cpu_model),
      memory(surroundings.memory),
      ports(surroundings.ports),
      mmio(surroundings.mmio),
      clock(surroundings.clock),
      wall_clock(surroundings.wall_clock),
      block(allocate_block()),
      state(block.state),
      mmu(vcpu_index, block.state, block.tlb, surroundings.memory, counters),
      linear(*this) {
    mmu.keep_out_for(debugger);
    reset();
}

Vcpu::~Vcpu() { delete reinterpret_cast<BlockPages*>(&block); }

/// What power-up and INIT have in common (SDM vol. 3, table 9-1). `state` is otherwise default-initialized.
void Vcpu::set_initial_state() {
    state.rip = 0xfff0;
    for (x86::SegmentRegister& s : state.segment)
        s = {.attributes = real_mode_segment, .base = 0, .limit = 0xffff};
    state.seg(x86::Segment::cs).selector = 0xf000;
    state.seg(x86::Segment::cs).base = 0xffff0000;
    state.ldtr = {.attributes = attribute::present | x86::system_type::ldt, .limit = 0xffff};
    state.tr = {.attributes = attribute::present | x86::system_type::tss_busy, .limit = 0xffff};
    state.gdtr = state.idtr = {.base = 0, .limit = 0xffff};
    state.gpr[x86::rdx] = model.cpuid(1, 0, state, index, false).eax;
    state.activity = index == 0 ? Activity::running : Activity::wait_for_startup;
    mmu.flush_all();
}

void Vcpu::reset() {
    state = {};
    state.cr0 = x86::cr0::cd | x86::cr0::nw | x86::cr0::et;
    set_initial_state();
}

void Vcpu::reset_by_init() {
    const CpuState before = state;
    state = {};
    state.cr0 = (before.cr0 & (x86::cr0::cd | x86::cr0::nw)) | x86::cr0::et;
    state.extended = before.extended;
    state.xcr0 = before.xcr0;
    state.star = before.star;
    state.lstar = before.lstar;
    state.cstar = before.cstar;
    state.sfmask = before.sfmask;
    state.kernel_gs_base = before.kernel_gs_base;
    state.sysenter_cs = before.sysenter_cs;
    state.sysenter_esp = before.sysenter_esp;
    state.sysenter_eip = before.sysenter_eip;
    state.pat = before.pat;
    state.tsc_adjust = before.tsc_adjust;
    state.tsc_aux = before.tsc_aux;
    state.misc_enable = before.misc_enable;
    state.spec_ctrl = before.spec_ctrl;
    state.mtrr_def_type = before.mtrr_def_type;
    state.mtrr_variable = before.mtrr_variable;
    state.mtrr_fixed = before.mtrr_fixed;
    set_initial_state();
}

void Vcpu::start_at(u8 vector) {
    x86::SegmentRegister& cs = state.seg(x86::Segment::cs);
    cs.selector = static_cast<u16>(vector << 8);
    cs.base = u64{vector} << 12;
    state.rip = 0;
    state.activity = Activity::running;
}

u64 Vcpu::time_stamp_counter() const { return ticks_at(clock.now(), model.tsc_hz()) + state.tsc_adjust; }

void Vcpu::startup(u8 vector) {
    startup_vector_.store(vector);
    request(attention::startup);
}

void Vcpu::nonmaskable_interrupt() {
    waiting_nmis_++;
    request(attention::nmi);
}

bool Vcpu::take_nmi() {
    constexpr u32 most = 2;
    // Cleared before the count is read: an NMI that comes later sets it again.
    block.attention.fetch_and(~attention::nmi);
    limit_nmis(most);
    u32 waiting = waiting_nmis_;
    while (waiting && !waiting_nmis_.compare_exchange_weak(waiting, waiting - 1)) {
    }
    if (waiting > 1) request(attention::nmi);
    return waiting != 0;
}

void Vcpu::limit_nmis(u32 most) {
    u32 waiting = waiting_nmis_;
    while (waiting > most && !waiting_nmis_.compare_exchange_weak(waiting, most)) {
    }
}

void Vcpu::set_address_mask(u64 mask) {
    if (address_mask_.exchange(mask) != mask) request(attention::address_mask);
}

void Vcpu::request(u32 attention_bits) {
    block.attention.fetch_or(attention_bits);
    block.attention.notify_all();
}

void Vcpu::open_interrupt_window() {
    block.interrupt_waits_for = 0;
    block.attention.fetch_or(attention::interrupt);
}

void Vcpu::stop_for_debugger(const DebuggerStop& stop) {
    debugger.note(stop);
    request(attention::debugger);
}

void Vcpu::spin_wait() {
    // About the time of a switch to another thread and back: a short wait does not pay for one, a long one is
    // not made much longer.
    constexpr u32 spins_per_yield = 128;
    if (++spins_ % spins_per_yield == 0)
        std::this_thread::yield();
    else
        asm volatile("pause");
}

void Vcpu::wait_for_attention() {
    const auto now = [this] { return clock.now(); };
    const auto wanted = [this] { return block.attention.load(std::memory_order_relaxed) != 0; };
    if (short_halts_.worth_looking() && short_halts_.look(now, wanted)) return;
    const u64 begin = now();
    block.attention.wait(0);
    short_halts_.slept(now() - begin);
}

}  // namespace softmetal
