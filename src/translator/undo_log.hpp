// The pages of RAM that were about to be written, as they were then.
#pragma once

#include "cpu/mmu.hpp"

#include <array>
#include <vector>

namespace softmetal::translator {

class PageLog final : public PageWriteObserver {
 public:
    struct Page {
        u8* host;
        std::array<u8, page_size> before;
    };
    PageLog() { pages_.resize(capacity); }

    void page_becomes_writable(u8* host_page) override;
    void clear() { count_ = 0; }
    [[nodiscard]] unsigned count() const { return count_; }
    [[nodiscard]] Page& page(unsigned n) { return pages_[n]; }
    [[nodiscard]] const Page* find(const u8* host_page) const;
    /// A block touched more pages than there is room for: it cannot be compared.
    [[nodiscard]] bool overflowed() const { return count_ > capacity; }

 private:
    // A block has at most 48 instructions of at most two stores, each at most on two pages.
    static constexpr unsigned capacity = 256;
    std::vector<Page> pages_;
    unsigned count_ = 0;
};

}  // namespace softmetal::translator
