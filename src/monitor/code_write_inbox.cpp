#include "monitor/code_write_inbox.hpp"

#include <utility>

namespace softmetal::monitor {

thread_local const CodeWriteInbox* CodeWriteInbox::own_ = nullptr;

CodeWriteInbox::CodeWriteInbox(Vcpu& vcpu, CodeWriteObserver& engine) : vcpu_(vcpu), engine_(engine) {
    vcpu_.memory.observe_code_writes(this);
}

CodeWriteInbox::~CodeWriteInbox() { vcpu_.memory.observe_code_writes(nullptr); }

void CodeWriteInbox::code_about_to_change(GuestPhysical address, u64 size) {
    if (own_ == this) return engine_.code_about_to_change(address, size);
    {
        const std::lock_guard lock(mutex_);
        pages_.insert(address.page());
    }
    vcpu_.request(attention::stop);
}

void CodeWriteInbox::deliver() {
    own_ = this;
    std::set<u64> pages;
    {
        const std::lock_guard lock(mutex_);
        std::swap(pages, pages_);
    }
    for (u64 page : pages) engine_.code_about_to_change({page}, page_size);
}

}  // namespace softmetal::monitor
