// Which vCPUs have translated code from which pages of RAM, and which of them may be writing there.
//
// Both are masks of vCPUs a page. A vCPU enters itself in one before it looks at the other, so of a writer
// and a translator that come at once at least one sees the other: either the writer announces its write, or
// the translator waits for the writer (monitor/code_coherence.hpp).
#pragma once

#include "base/address.hpp"
#include "base/bits.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>

namespace softmetal {

/// Translations are dropped by lines of 64 bytes: a mask has a bit for each line of a page.
inline constexpr unsigned code_line_shift = 6;
inline constexpr u64 all_code_lines = ~u64{0};

/// The lines that [offset, offset + size) of a page touches; what reaches beyond the page is left out.
[[nodiscard]] constexpr u64 code_lines(u64 offset, u64 size) {
    const u64 first = offset >> code_line_shift,
              last = std::min(offset + size - 1, page_size - 1) >> code_line_shift;
    return low_bits(static_cast<unsigned>(last - first + 1)) << first;
}

class CodePages {
 public:
    static constexpr unsigned most_vcpus = 64;

    /// Pages are numbered from 0. They cost nothing until one is written to or translated from.
    explicit CodePages(u64 pages) : pages_(static_cast<Page*>(std::calloc(pages, sizeof(Page)))) {}
    [[nodiscard]] bool valid() const { return pages_ != nullptr; }

    /// The vCPUs that have translated from the page.
    [[nodiscard]] u64 translators(u64 page) const { return load(pages_[page].translators); }
    /// Before `vcpu` reads the page for translation. Its writers from now on announce their writes; the
    /// result is the other vCPUs that may not know yet.
    u64 add_translator(u64 page, unsigned vcpu) {
        atomic(pages_[page].translators).fetch_or(bit(vcpu));
        return load(pages_[page].writers) & ~bit(vcpu);
    }
    /// Those but `vcpu` that may have write access, or a write under way that they announced before.
    [[nodiscard]] u64 other_writers(u64 page, unsigned vcpu) const {
        return load(pages_[page].writers) & ~bit(vcpu);
    }
    void remove_translator(u64 page, unsigned vcpu) {
        atomic(pages_[page].translators).fetch_and(~bit(vcpu));
    }
    /// Before `vcpu` writes to the page or gets write access to it. The result is translators().
    [[nodiscard]] u64 add_writer(u64 page, unsigned vcpu) {
        if (!(load(pages_[page].writers) & bit(vcpu))) atomic(pages_[page].writers).fetch_or(bit(vcpu));
        return translators(page);
    }
    /// `vcpu` has neither write access nor a write under way. Its thread.
    void remove_writer(u64 page, unsigned vcpu) { atomic(pages_[page].writers).fetch_and(~bit(vcpu)); }

 private:
    struct Page {
        u64 translators, writers;
    };
    struct Free {
        void operator()(Page* pages) const { std::free(pages); }
    };
    [[nodiscard]] static std::atomic_ref<u64> atomic(u64& mask) { return std::atomic_ref(mask); }
    [[nodiscard]] static u64 load(u64& mask) { return atomic(mask).load(); }

    std::unique_ptr<Page[], Free> pages_;  // zeroed by the allocator, hence lazily
};

}  // namespace softmetal
