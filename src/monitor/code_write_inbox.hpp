// Brings writes into code pages to the thread of the vCPU whose engine keeps the translations.
//
// The vCPU's own stores are passed on at once. Another thread's (a device's DMA) are noted and the vCPU is
// called: it drops the translations at its next instruction boundary, before it runs any further block. So it
// never runs a stale one after it has seen, in memory or by an interrupt, that the device is done.
#pragma once

#include "cpu/vcpu.hpp"

#include <mutex>
#include <set>

namespace softmetal::monitor {

class CodeWriteInbox final : public CodeWriteObserver {
 public:
    /// Takes the engine's place as the memory's observer.
    CodeWriteInbox(Vcpu& vcpu, CodeWriteObserver& engine);
    ~CodeWriteInbox() override;
    CodeWriteInbox(const CodeWriteInbox&) = delete;
    CodeWriteInbox& operator=(const CodeWriteInbox&) = delete;

    void code_about_to_change(GuestPhysical address, u64 size) override;
    /// The vCPU's thread, at an instruction boundary.
    void deliver();

 private:
    Vcpu& vcpu_;
    CodeWriteObserver& engine_;
    static thread_local const CodeWriteInbox* own_;  // the inbox of this thread's vCPU
    std::mutex mutex_;
    std::set<u64> pages_;
};

}  // namespace softmetal::monitor
