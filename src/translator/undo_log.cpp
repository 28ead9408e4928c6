// Compiled without vector instructions: called from TLB misses of translated code.
#include "translator/undo_log.hpp"

namespace softmetal::translator {

const PageLog::Page* PageLog::find(const u8* host_page) const {
    for (unsigned n = 0; n < count_ && n < capacity; n++)
        if (pages_[n].host == host_page) return &pages_[n];
    return nullptr;
}

void PageLog::page_becomes_writable(u8* host_page) {
    if (find(host_page)) return;
    if (count_ < capacity) {
        Page& page = pages_[count_];
        page.host = host_page;
        void* to = page.before.data();
        const void* from = host_page;
        u64 quadwords = page_size / 8;
        asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(quadwords) : : "memory");
    }
    count_++;
}

}  // namespace softmetal::translator
