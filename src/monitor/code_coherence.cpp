#include "monitor/code_coherence.hpp"

#include <bit>
#include <emmintrin.h>
#include <utility>

namespace softmetal::monitor {

thread_local const CodeCoherence::Member* CodeCoherence::Member::own_ = nullptr;

namespace {

/// How often a translator begins anew because others write to the page all the time.
constexpr unsigned most_attempts = 4;
/// A vCPU that runs on another core answers within a microsecond or two; one without a core does not.
constexpr unsigned spins = 400;

void wait_for_zero(std::atomic<u32>& left) {
    for (unsigned i = 0; i < spins && left.load(std::memory_order_acquire); i++) _mm_pause();
    while (const u32 now = left.load(std::memory_order_acquire)) left.wait(now, std::memory_order_acquire);
}

}  // namespace

CodeCoherence::CodeCoherence(GuestMemory& memory) : memory_(memory) {}
CodeCoherence::~CodeCoherence() { memory_.observe_code_writes(nullptr); }

CodeCoherence::Member& CodeCoherence::add(Vcpu& vcpu, CodeWriteObserver& engine) {
    memory_.observe_code_writes(this);
    if (members_.size() <= vcpu.index) members_.resize(vcpu.index + 1);
    members_[vcpu.index] = std::make_unique<Member>(*this, vcpu, engine);
    return *members_[vcpu.index];
}

void CodeCoherence::code_about_to_change(GuestPhysical address, u64 size, u64 translators) {
    for (; translators; translators &= translators - 1)
        if (Member* m = member(static_cast<unsigned>(std::countr_zero(translators))))
            m->note_change(address, size);
}

// --- notes

void CodeCoherence::Member::note_change(GuestPhysical address, u64 size) {
    if (own_ == this) return engine_.code_about_to_change(address, size, bit(vcpu_.index));
    const std::lock_guard lock(mutex_);
    changed_[address.page()] |= code_lines(address.offset(), size);
    if (!resting_) vcpu_.request(attention::code);
}

void CodeCoherence::Member::note_revocation(GuestPhysical page, Countdown& answers) {
    const std::lock_guard lock(mutex_);
    revoked_.insert(page.value);
    // It reads the note before it runs an instruction: as if it had.
    if (resting_) return all_.memory_.dismiss_writer(page, vcpu_.index);
    answers.fetch_add(1);
    askers_.push_back(&answers);
    vcpu_.request(attention::code);
}

// --- the vCPU's own

void CodeCoherence::Member::answer(const std::vector<Countdown*>& askers) {
    for (Countdown* answers : askers)
        if (answers->fetch_sub(1) == 1) answers->notify_all();
}

void CodeCoherence::Member::rest() {
    std::vector<Countdown*> askers;
    {
        const std::lock_guard lock(mutex_);
        resting_ = true;
        askers.swap(askers_);
    }
    answer(askers);
}

void CodeCoherence::Member::catch_up() {
    own_ = this;
    // Cleared before the notes are read: a later one raises it again.
    vcpu_.block.attention.fetch_and(~attention::code);
    std::map<u64, u64> changed;
    std::set<u64> revoked;
    std::vector<Countdown*> askers;
    {
        const std::lock_guard lock(mutex_);
        resting_ = false;
        changed.swap(changed_);
        revoked.swap(revoked_);
        askers.swap(askers_);
    }
    for (const u64 page : revoked) {
        vcpu_.mmu.revoke_write({page});
        all_.memory_.dismiss_writer({page}, vcpu_.index);
    }
    answer(askers);
    for (const auto& [page, lines] : changed) drop({page}, lines);
}

/// Runs of lines, as the engine knows writes.
void CodeCoherence::Member::drop(GuestPhysical page, u64 lines) {
    while (lines) {
        const auto first = static_cast<unsigned>(std::countr_zero(lines));
        const auto count = static_cast<unsigned>(std::countr_one(lines >> first));
        engine_.code_about_to_change(page + (u64{first} << code_line_shift), u64{count} << code_line_shift,
                                     bit(vcpu_.index));
        lines &= ~(low_bits(count) << first);
    }
}

bool CodeCoherence::Member::keep(GuestPhysical page) {
    for (unsigned attempt = 0; attempt < most_attempts; attempt++) {
        u64 writers = all_.memory_.mark_code(page, vcpu_.index);
        vcpu_.mmu.revoke_write(page);
        if (!writers) return true;
        vcpu_.counters.code_pages_contended++;
        for (; writers; writers &= writers - 1)
            if (Member* m = all_.member(static_cast<unsigned>(std::countr_zero(writers))))
                m->note_revocation(page, answers_);
        rest();
        wait_for_zero(answers_);
        catch_up();
        // Another write may have been announced meanwhile, and not be done: its note has been read just now,
        // so only its writer's mark tells of it. It may also have been to the page's last translation.
        if (all_.memory_.holds_settled_code_of(page, vcpu_.index)) return true;
    }
    return false;
}

}  // namespace softmetal::monitor
