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
    if (!block.movable) return;
    const u64 hash = movable_hash(block.key);
    movable_[movable_bucket(hash)] = {hash, &block};
}

const Block* TranslationCache::elsewhere(const BlockKey& key) const {
    const u64 hash = movable_hash(key);
    const Movable& known = movable_[movable_bucket(hash)];
    if (known.hash != hash || !known.block || !known.block->valid) return nullptr;
    return place_of(known.block->key) == place_of(key) ? known.block : nullptr;
}

Block& TranslationCache::copy(const Block& donor, const BlockKey& key) {
    Block& block = create(key, donor.mode);
    const u32 begin = donor.entry_flags_saved, distance = next_code_ - begin;
    block.entry = donor.entry + distance;
    block.entry_flags_saved = donor.entry_flags_saved + distance;
    block.code_end = donor.code_end + distance;
    block.guest_bytes = donor.guest_bytes;
    block.page_offset = donor.page_offset;
    block.instruction_count = donor.instruction_count;
    block.live_flags_in = donor.live_flags_in;
    block.lines = donor.lines;
    block.movable = true;
    block.first_site = static_cast<u32>(table.sites.size());
    block.first_link = static_cast<u32>(table.links.size());
    block.first_relocation = donor.first_relocation;
    block.site_count = donor.site_count;
    block.link_count = donor.link_count;
    block.relocation_count = donor.relocation_count;
    std::memcpy(code_.writable() + next_code_, code_.writable() + begin, donor.code_end - begin);

    for (u32 n = 0; n < donor.site_count; n++) {
        Site site = table.sites[donor.first_site + n];
        site.block = &block;
        if (site.resume) site.resume += distance;
        if (site.found) site.found += distance;
        table.sites.push_back(site);
    }
    for (u32 n = 0; n < donor.link_count; n++) {
        const Link& from = table.links[donor.first_link + n];
        Link& link = table.links.emplace_back();
        link.from = &block;
        link.target_rip = from.target_rip + (key.rip - donor.key.rip);
        link.target_mode = from.target_mode;
        link.flags_saved = from.flags_saved;
        link.jump = from.jump + distance;
        link.unlinked = from.unlinked + distance;
        link.crosses_pages = from.crosses_pages;
        set_jump(link.jump, link.unlinked);
    }
    for (const Block::FaultPoint& point : donor.fault_points)
        block.fault_points.push_back(
            {point.code + distance, point.site - donor.first_site + block.first_site});
    relocate(donor, block);
    publish(block);
    return block;
}

namespace {

template <class T>
void add_at(u8* place, T amount) {
    T value;
    std::memcpy(&value, place, sizeof value);
    value = static_cast<T>(value + amount);
    std::memcpy(place, &value, sizeof value);
}

u64 guest_address(const u8* place, bool legacy) {
    u64 address = 0;
    std::memcpy(&address, place, legacy ? 4 : 8);
    return address;
}

}  // namespace

void TranslationCache::relocate(const Block& donor, const Block& block) {
    u8* const code = code_.writable() + block.entry_flags_saved;
    const u64 guest = block.key.rip - donor.key.rip;
    const bool legacy = block.mode.legacy;
    for (u32 n = 0; n < block.relocation_count; n++) {
        const Relocation r = table.relocations[block.first_relocation + n];
        u8* const place = code + r.at;
        switch (r.kind) {
            case Relocation::Kind::guest_address:
                if (legacy)
                    add_at(place, static_cast<u32>(guest));
                else
                    add_at(place, guest);
                break;
            case Relocation::Kind::jump_cache_slot: {  // its address comes before it
                const u64 now = guest_address(code + r.address_at, legacy);
                const u64 before = legacy ? static_cast<u32>(now - guest) : now - guest;
                add_at(place,
                       (JumpCache::index(now) - JumpCache::index(before)) * u32{sizeof(JumpCache::Entry)});
                break;
            }
            case Relocation::Kind::site_number: add_at(place, block.first_site - donor.first_site); break;
            case Relocation::Kind::link_number: add_at(place, block.first_link - donor.first_link); break;
            case Relocation::Kind::stub:
                add_at(place, donor.entry_flags_saved - block.entry_flags_saved);
                break;
        }
    }
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
    std::ranges::fill(movable_, Movable{});
    blocks_.clear();
    pages_.clear();
    table.sites.clear();
    table.links.clear();
    table.relocations.clear();
    next_code_ = reserved_;
}

const Block* TranslationCache::containing(u32 code_offset) const {
    auto after = std::ranges::upper_bound(blocks_, code_offset, {}, &Block::entry_flags_saved);
    if (after == blocks_.begin()) return nullptr;
    const Block& candidate = *std::prev(after);
    return code_offset < candidate.code_end ? &candidate : nullptr;
}

}  // namespace softmetal::translator
