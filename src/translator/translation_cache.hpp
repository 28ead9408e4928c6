// All translations of one vCPU: their code, how they are found, how they are linked, and how they are dropped
// when the guest's code changes. Code memory is handed out in order and given back only as a whole.
#pragma once

#include "host/code_memory.hpp"
#include "host/private_memory.hpp"
#include "translator/block_emitter.hpp"

#include <memory>
#include <unordered_map>
#include <vector>

namespace softmetal::translator {

class TranslationCache {
 public:
    /// What a look-up wants to know, in half a cache line. Blocks are many and lie all over the memory.
    struct Found {
        BlockKey key;
        u32 entry_flags_saved = 0;
        Block* block = nullptr;
    };

    /// `recent` holds at least recent_bytes of zeroes.
    TranslationCache(host::CodeMemory& code, host::PrivateMemory recent, u32 reserved_bytes);
    static constexpr u64 recent_bytes = sizeof(Found) << 18;

    /// Null where there is none; good until the next change. Light: no allocation, no vector instructions.
    [[nodiscard]] const Found* find(const BlockKey& key) {
        Found& known = recent(key);
        if (known.key == key) return &known;
        for (Block* b = buckets_[bucket(key)]; b; b = b->next_in_bucket)
            if (b->key == key) {
                known = {key, b->entry_flags_saved, b};
                return &known;
            }
        return nullptr;
    }
    /// Makes the jump of `link` lead to `target`, which is its target's translation. Light.
    void connect(Link& link, Block& target);

    /// The links that lead from one page to another lead nowhere again: all of them, or those to one page.
    void disconnect_crossings();
    void disconnect_crossings_to(u64 rip);

    /// A block that has been found nowhere, not yet in the index: emit its code at next_code(), then publish.
    [[nodiscard]] Block& create(const BlockKey& key, Mode mode);
    [[nodiscard]] u32 next_code() const { return next_code_; }
    [[nodiscard]] u32 space_left() const { return static_cast<u32>(code_.size()) - next_code_; }
    void publish(Block& block);

    /// A translation of the same place on the same page, for another address; null where none is remembered
    /// or it holds for its own address only.
    [[nodiscard]] const Block* elsewhere(const BlockKey& key) const;
    /// Makes `donor`, found so, the translation for `key`. Far cheaper than to translate anew: programs map
    /// their libraries at random addresses, each process at its own.
    Block& copy(const Block& donor, const BlockKey& key);

    /// Drops the page's blocks that depend on any of `lines`. Answers whether the page has none left.
    /// `forget` is told each block that goes.
    template <class Forget>
    bool invalidate(const u8* page, u64 lines, Forget forget) {
        const auto place = pages_.find(page);
        if (place == pages_.end()) return true;
        std::vector<Block*>& blocks = place->second.blocks;
        if (place->second.lines & lines) {
            u64 remaining = 0;
            std::erase_if(blocks, [&](Block* b) {
                if (!b->valid) return true;  // dropped because of its other page
                const u64 own = b->lines_on(page);
                if (!(own & lines)) {
                    remaining |= own;
                    return false;
                }
                forget(*b);
                remove(*b);
                return true;
            });
            place->second.lines = remaining;
        }
        if (!blocks.empty()) return false;
        pages_.erase(place);
        return true;
    }
    /// The lines of the page that blocks depend on; 0 where it has none. Light.
    [[nodiscard]] u64 lines_on(const u8* page) const {
        const auto place = pages_.find(page);
        return place == pages_.end() ? 0 : place->second.lines;
    }
    [[nodiscard]] bool page_has_blocks(const u8* page) const { return pages_.contains(page); }
    /// Every page that holds code, for dropping the whole cache.
    template <class F>
    void each_page(F f) const {
        for (const auto& [page, content] : pages_) f(page);
    }
    void clear();

    /// The block whose code contains this offset; null where none does.
    [[nodiscard]] const Block* containing(u32 code_offset) const;

    SiteTable table;

 private:
    static constexpr unsigned bucket_count = 1 << 19;
    [[nodiscard]] static unsigned bucket(const BlockKey& key) {
        return static_cast<unsigned>(BlockKeyHash{}(key) >> 20) & (bucket_count - 1);
    }
    /// The place of those found last, direct-mapped.
    [[nodiscard]] Found& recent(const BlockKey& key) {
        return reinterpret_cast<Found*>(
            recent_.data())[BlockKeyHash{}(key) >> 24 & (recent_bytes / sizeof(Found) - 1)];
    }
    /// Keys that differ in the page's linear address only share a place.
    static constexpr unsigned movable_count = 1 << 18;
    [[nodiscard]] static BlockKey place_of(const BlockKey& key) {
        return {key.rip & ~page_mask, key.page, key.mode};
    }
    [[nodiscard]] static u64 movable_hash(const BlockKey& key) {
        return BlockKeyHash{}(place_of(key)) * 0x9e3779b97f4a7c15;
    }
    [[nodiscard]] static unsigned movable_bucket(u64 hash) { return hash >> 40 & (movable_count - 1); }
    static constexpr unsigned crossing_buckets = 1024;
    [[nodiscard]] static unsigned crossing_bucket(u64 rip) {
        return rip >> page_shift & (crossing_buckets - 1);
    }
    void disconnect(Link& link);
    void register_on(const u8* page, Block& block);
    void remove(Block& block);
    void set_jump(u32 rel32_at, u32 target);
    void relocate(const Block& donor, const Block& block);

    struct PageContent {
        u64 lines = 0;
        std::vector<Block*> blocks;
    };

    host::CodeMemory& code_;
    const u32 reserved_;
    u32 next_code_;
    host::PrivateMemory recent_;
    std::vector<Block*> buckets_;
    std::array<Link*, crossing_buckets> crossings_{};  // connected ones, and some that were
    struct Movable {
        u64 hash = 0;  // of the place: most look-ups end here, without a look at the block
        Block* block = nullptr;
    };
    std::vector<Movable> movable_{movable_count};  // direct-mapped; some are not valid any more
    std::deque<Block> blocks_;                     // in the order of their code
    std::unordered_map<const u8*, PageContent> pages_;
};

}  // namespace softmetal::translator
