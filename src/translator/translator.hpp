// T1: translates guest code to host code of the same instruction set and runs it; the interpreter is its
// fallback.
#pragma once

#include "cpu/vcpu.hpp"
#include "host/code_memory.hpp"
#include "host/fault_signals.hpp"
#include "interpreter/interpreter.hpp"
#include "translator/decode_cache.hpp"
#include "translator/translation_cache.hpp"

#include <memory>
#include <optional>

namespace softmetal {

/// Makes pages of RAM safe to translate from where others may be writing to them.
class CodePageKeeper {
 public:
    virtual ~CodePageKeeper() = default;
    /// The vCPU's thread, between instructions. When it returns true, the page is marked as the vCPU's code,
    /// and no write to it goes unannounced any more. Translations may have been dropped meanwhile, of any
    /// page. False where that did not come to rest.
    [[nodiscard]] virtual bool keep(GuestPhysical page) = 0;
    /// A page that is marked, but another has announced a write to it since, which may not be done yet.
    [[nodiscard]] virtual bool unsettled(GuestPhysical page) const = 0;
};

class Translator final : public CodeWriteObserver, public TlbFlushObserver {
 public:
    struct Options {
        u64 cache_bytes = 128 << 20;
        bool chain = true;       // off: every block comes back to the monitor (lockstep)
        unsigned threshold = 8;  // times a place is interpreted before it is translated
    };
    [[nodiscard]] static Result<std::unique_ptr<Translator>> create(Vcpu& vcpu, Interpreter& interpreter,
                                                                    Options options);
    ~Translator() override;
    /// Instead of itself, which is good for machines of one vCPU whose memory no other thread writes to.
    void use(CodePageKeeper& keeper) { keeper_ = &keeper; }

    /// Runs at least one instruction; then until attention is raised, the CPU is not running any more, or
    /// `budget` entries into translated code or interpreted instructions are done.
    void run(u64 budget);

    /// For lockstep (Options::chain off): translates the block at RIP and runs it once, without the
    /// interpreter and without delivering anything. None where there is nothing to translate.
    struct BlockRun {
        const translator::Block* block;
        unsigned instructions;  // completed
        u16 live_flags;         // the status flags that are exact now
    };
    [[nodiscard]] std::optional<BlockRun> run_one_block();

    // CodeWriteObserver, TlbFlushObserver: the vCPU's thread
    void code_about_to_change(GuestPhysical address, u64 size, u64 translators) override;
    void tlb_flushed(bool global_too, u64 address_space) override;
    void tlb_page_invalidated(GuestLinear page, bool may_hold_code) override;

    /// How often each mnemonic was handed to the interpreter, most frequent first: what to translate next.
    [[nodiscard]] std::vector<std::pair<std::string, u64>> fallback_profile() const;

 private:
    friend struct MonitorCallTargets;
    enum class Exit : u64 { dispatch, event, interpret };

    Translator(Vcpu& vcpu, Interpreter& interpreter, Options options, host::CodeMemory code,
               host::PrivateMemory recent);

    [[nodiscard]] bool translatable() const;
    [[nodiscard]] translator::Mode current_mode() const;
    /// Translated code on this thread addresses this vCPU.
    void claim_thread();
    /// Around translated code: what it recorded of itself in the x87 state.
    void remember_x87_pointers();
    void hide_x87_pointers();
    void step_interpreter();
    /// The status flags live apart from state.rflags while translated code runs, which keeps them clear
    /// there.
    void part_flags();
    void join_flags();
    void enter(const translator::Block& block);
    [[nodiscard]] translator::Block* find_or_translate();
    [[nodiscard]] translator::Block* translate(const translator::BlockKey& key, translator::Mode mode);
    void drop_everything();

    // Called from translated code (runtime_calls.cpp).
    [[nodiscard]] const u8* code_page(u64 rip);
    [[nodiscard]] const translator::TranslationCache::Found* find_block(u64 rip, unsigned mode);
    [[nodiscard]] bool is_global(u64 rip);
    /// In the jump cache. Answers where to go.
    u64 remember_jump(const translator::TranslationCache::Found& target);
    /// Enters the mode; jump caches of another family of modes are no good for it.
    void select_mode();
    /// Before 32-bit code: what FS and GS let it reach.
    void measure_segments();
    u64 on_tlb_miss(u64 linear, u64 site);
    u64 on_resolve_link(u64 link);
    u64 on_resolve_indirect(u64 rip);
    u64 on_leave(u64 site);
    u64 on_fast_call(u64 operand, u64 site);
    u64 on_interpret(u64 site);
    [[nodiscard]] u64 continue_at(const translator::Site& site, u64 next);
    static bool on_fault(host::FaultFrame& frame, void* owner);

    [[nodiscard]] u64 site_rip(const translator::Site& s) const {
        return s.block->key.rip + s.instruction_offset;
    }
    [[nodiscard]] u64 host_code(u32 offset) const {
        return reinterpret_cast<u64>(code_.executable()) + offset;
    }
    [[nodiscard]] TranslatedCodeArea& area() { return vcpu_.block.translated; }
    void forget_jumps(unsigned privilege);
    void forget_all_jumps();
    void select_jump_tag();
    /// What a jump cache knows `rip` by.
    [[nodiscard]] u64 jump_key(u64 rip, unsigned mode) const {
        if (translator::Mode::is_code32(mode)) rip |= u64{1} << JumpCache::code32_bit;
        const bool user = translator::Mode::privilege_of(mode) == static_cast<unsigned>(Privilege::user);
        return user ? rip ^ vcpu_.block.translated.jump_tag : rip;
    }
    [[nodiscard]] bool may_translate(GuestPhysical page) const;
    [[nodiscard]] std::optional<GuestPhysical> prepare_code_page(u64 rip);

    Vcpu& vcpu_;
    Interpreter& interpreter_;
    const Options options_;
    CodePageKeeper* keeper_ = nullptr;
    host::CodeMemory code_;
    translator::Stubs stubs_;
    std::unique_ptr<translator::TranslationCache> cache_;
    unsigned mode_ = 0;  // packed mode of the block last entered; jump caches hold blocks of its family only
    translator::FastCalls fast_calls_;

    /// What the jump caches hold, so that dropping them costs what was put in.
    struct JumpCacheUse {
        static constexpr unsigned capacity = 1024;
        std::array<u16, capacity> indices{};
        unsigned count = 0;            // capacity + 1: everything
        std::array<u64, 64> pages{};   // Bloom filter of linear pages, by hash
        bool local = false;            // holds code from pages that are not global
        std::array<bool, 2> halves{};  // of the address space: which of them it holds code from
    };
    std::array<JumpCacheUse, privilege_count> jump_use_{};

    /// User code's entries carry a tag for their address space, so that they are found again when it returns.
    struct JumpTag {
        u64 address_space = 0;
        u64 tag = 0;
    };
    static constexpr unsigned tag_bits = 15, tag_shift = 48;  // bit 63 keeps the halves of the space apart
    std::array<JumpTag, 64> jump_tags_{};
    u64 last_tag_ = 0;
    u64 address_space_ = 0;

    asmjit::CodeHolder code_holder_;  // of one translation after the other, for their buffers
    translator::jit::Assembler assembler_;
    translator::DecodeCache decode_cache_{vcpu_.model.features()};
    std::vector<u8> heat_;  // how often places were interpreted, by hash of RIP
    std::vector<u64> fallbacks_by_mnemonic_;
};

}  // namespace softmetal
