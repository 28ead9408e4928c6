// Keeps what vCPUs have translated in step with what anybody writes: each keeps translations of its own, and
// any of them, or a device, may write to the page.
//
// A writer announces a write to a page that holds code. The writing vCPU's own translations are dropped at
// once; for others it leaves a note and raises attention::code, before the bytes change. The other vCPU drops
// its translations at its next instruction boundary: having seen, in memory or by an interrupt, that the
// writer is done, it never runs a stale block.
//
// A vCPU that wants to translate from a page marks it, and where others may have write access to it (their
// TLBs), or a write under way, it leaves them a note too and waits for each to pass an instruction boundary.
// So it does each time it finds another among the page's writers, its own mark or no: a write that it has
// been told of, and dropped translations for, may not be done yet.
// Meanwhile it rests. A vCPU that rests runs no instruction: nobody waits for it, it reads its notes before
// it goes on.
#pragma once

#include "cpu/vcpu.hpp"
#include "translator/translator.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace softmetal::monitor {

class CodeCoherence final : public CodeWriteObserver {
 public:
    class Member;

    explicit CodeCoherence(GuestMemory& memory);
    ~CodeCoherence() override;
    CodeCoherence(const CodeCoherence&) = delete;
    CodeCoherence& operator=(const CodeCoherence&) = delete;

    /// Before any vCPU runs. `engine` has the vCPU's translations and is told, on the vCPU's thread, to drop
    /// some.
    Member& add(Vcpu& vcpu, CodeWriteObserver& engine);

    void code_about_to_change(GuestPhysical address, u64 size, u64 translators) override;

 private:
    [[nodiscard]] Member* member(unsigned vcpu) {
        return vcpu < members_.size() ? members_[vcpu].get() : nullptr;
    }

    GuestMemory& memory_;
    std::vector<std::unique_ptr<Member>> members_;  // by index of the vCPU
};

/// One vCPU's part. It rests until its first catch_up().
class CodeCoherence::Member final : public CodePageKeeper {
 public:
    Member(CodeCoherence& all, Vcpu& vcpu, CodeWriteObserver& engine)
        : all_(all), vcpu_(vcpu), engine_(engine) {}

    // The vCPU's thread, at an instruction boundary.
    /// From here on the vCPU runs no instruction.
    void rest();
    /// Does what the notes say. Before the first instruction, after rest(), and on attention::code.
    void catch_up();
    [[nodiscard]] bool keep(GuestPhysical page) override;

 private:
    friend CodeCoherence;
    using Countdown = std::atomic<u32>;

    // Any thread.
    void note_change(GuestPhysical address, u64 size);
    /// Counts `answers` up, and down again once the vCPU has given up its write access; not at all where it
    /// rests.
    void note_revocation(GuestPhysical page, Countdown& answers);
    void drop(GuestPhysical page, u64 lines);
    static void answer(const std::vector<Countdown*>& askers);

    CodeCoherence& all_;
    Vcpu& vcpu_;
    CodeWriteObserver& engine_;
    static thread_local const Member* own_;  // this thread's vCPU

    std::mutex mutex_;
    bool resting_ = true;
    std::map<u64, u64> changed_;  // by page: the lines
    std::set<u64> revoked_;       // pages
    std::vector<Countdown*> askers_;

    Countdown answers_{0};  // that keep() still waits for
};

}  // namespace softmetal::monitor
