#include "translator/translation_cache.hpp"

#include "base/bits.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace softmetal::translator {

TranslationCache::TranslationCache(host::CodeMemory& code, host::PrivateMemory recent, u32 reserved_bytes)
    : code_(code),
      reserved_(reserved_bytes),
      next_code_(reserved_bytes),
      recent_(std::move(recent)),
      buckets_(bucket_count) {}

void TranslationCache::set_jump(u32 rel32_at, u32 target) {
    const i32 distance = static_cast<i32>(target) - static_cast<i32>(rel32_at + 4);
    std::memcpy(code_.writable() + rel32_at, &distance, 4);
}

Block& TranslationCache::create(const BlockKey& key, Mode mode) {
    Block& block = blocks_.emplace_back();
    block.key = key;
    block.mode = mode;
    return block;
}

void TranslationCache::register_on(const u8* page, Block& block) {
    PageContent& content = pages_[page];
    content.lines |= block.lines_on(page);
    content.blocks.push_back(&block);
}

void TranslationCache::publish(Block& block) {
    next_code_ = static_cast<u32>(align_up(block.code_end, 16));
    Block*& head = buckets_[bucket(block.key)];
    block.next_in_bucket = head;
    head = &block;
    register_on(block.key.page, block);
    if (block.second_page && block.second_page != block.key.page) register_on(block.second_page, block);
}

void TranslationCache::remove(Block& block) {
    block.valid = false;
    if (Found& known = recent(block.key); known.block == &block) known = {};
    Block** at = &buckets_[bucket(block.key)];
    while (*at && *at != &block) at = &(*at)->next_in_bucket;
    if (*at) *at = block.next_in_bucket;
    for (Link* link = block.incoming; link;) {
        Link* next = link->next_incoming;
        set_jump(link->jump, link->unlinked);
        link->to = nullptr;
        link->next_incoming = nullptr;
        link = next;
    }
    block.incoming = nullptr;
}

void TranslationCache::disconnect(Link& link) {
    link.in_crossing_list = false;
    if (!link.to) return;
    set_jump(link.jump, link.unlinked);
    Link** at = &link.to->incoming;
    while (*at && *at != &link) at = &(*at)->next_incoming;
    if (*at) *at = link.next_incoming;
    link.to = nullptr;
    link.next_incoming = nullptr;
}

void TranslationCache::disconnect_crossings() {
    for (Link*& head : crossings_)
        while (head) {
            disconnect(*head);
            head = head->next_crossing;
        }
}

void TranslationCache::disconnect_crossings_to(u64 rip) {
    for (Link** at = &crossings_[crossing_bucket(rip)]; *at;) {
        Link& link = **at;
        if ((link.target_rip ^ rip) & page_mask) {
            at = &link.next_crossing;
            continue;
        }
        *at = link.next_crossing;
        disconnect(link);
    }
}

void TranslationCache::clear() {
    crossings_.fill(nullptr);
    std::memset(recent_.data(), 0, recent_bytes);
    std::ranges::fill(buckets_, nullptr);
    blocks_.clear();
    pages_.clear();
    table.sites.clear();
    table.links.clear();
    next_code_ = reserved_;
}

const Block* TranslationCache::containing(u32 code_offset) const {
    auto after = std::ranges::upper_bound(blocks_, code_offset, {}, &Block::entry_flags_saved);
    if (after == blocks_.begin()) return nullptr;
    const Block& candidate = *std::prev(after);
    return code_offset < candidate.code_end ? &candidate : nullptr;
}

}  // namespace softmetal::translator
