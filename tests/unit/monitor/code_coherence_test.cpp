// Writes into code pages: by the vCPU's own thread, by another vCPU's, by devices; and translators that wait
// for writers.
#include "monitor/code_coherence.hpp"

#include "fake_engine.hpp"
#include "monitor/code_aware_dma.hpp"

#include <future>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace softmetal::monitor {
namespace {

struct Translations final : CodeWriteObserver {
    void code_about_to_change(GuestPhysical address, u64 size, u64) override {
        told.emplace_back(address.value, size);
        if (on_write) on_write();
    }
    std::vector<std::pair<u64, u64>> told;
    std::function<void()> on_write;
};

/// Two vCPUs of one machine.
struct CodeWrites : ::testing::Test {
    testing::BareVcpu bare;
    GuestMemory& memory = *bare.memory;
    Vcpu second{1, bare.model, {memory, bare.ports, bare.mmio, bare.clock}};
    Translations engine, second_engine;
    CodeCoherence coherence{memory};
    CodeCoherence::Member& first = coherence.add(bare.vcpu, engine);
    CodeCoherence::Member& other = coherence.add(second, second_engine);
    CodeAwareDma dma{memory};

    void from_another_thread(const std::function<void()>& action) { std::jthread{action}; }
    void write(u64 address, std::size_t size) {
        const std::vector<std::byte> bytes(size, std::byte{0xcc});
        EXPECT_TRUE(dma.write({address}, bytes));
    }
    static u32 attention_of(Vcpu& vcpu) { return vcpu.block.attention.load(); }
};

TEST_F(CodeWrites, OfTheVcpuItselfArePassedOnAtOnce) {
    first.catch_up();  // this thread is the vCPU's
    memory.mark_code({0x3000}, 0);
    memory.about_to_write({0x3010}, 4);
    ASSERT_EQ(engine.told.size(), 1u);
    EXPECT_EQ(engine.told[0], (std::pair<u64, u64>{0x3010, 4}));
    EXPECT_EQ(attention_of(bare.vcpu), 0u);
}

TEST_F(CodeWrites, OfOthersWaitForTheVcpuAndCallIt) {
    first.catch_up();
    memory.mark_code({0x3000}, 0);
    from_another_thread([&] { write(0x3050, 4); });
    EXPECT_TRUE(engine.told.empty());
    EXPECT_TRUE(attention_of(bare.vcpu) & attention::code);
    first.catch_up();
    ASSERT_EQ(engine.told.size(), 1u);
    EXPECT_EQ(engine.told[0], (std::pair<u64, u64>{0x3040, 64})) << "the line that was written to";
    EXPECT_FALSE(attention_of(bare.vcpu) & attention::code);
    first.catch_up();
    EXPECT_EQ(engine.told.size(), 1u) << "told once";
}

TEST_F(CodeWrites, AreToldToTheVcpusThatHaveTranslatedThePage) {
    first.catch_up();
    memory.mark_code({0x3000}, 1);
    from_another_thread([&] { other.catch_up(); });
    memory.about_to_write({0x3000}, 8);  // the first vCPU's thread
    EXPECT_FALSE(attention_of(bare.vcpu) & attention::code);
    EXPECT_TRUE(attention_of(second) & attention::code);
    from_another_thread([&] { other.catch_up(); });
    EXPECT_TRUE(engine.told.empty());
    EXPECT_EQ(second_engine.told.size(), 1u);
}

TEST_F(CodeWrites, OfDataDisturbNobody) {
    first.catch_up();
    from_another_thread([&] { write(0x3010, 4); });
    EXPECT_EQ(attention_of(bare.vcpu), 0u);
}

TEST_F(CodeWrites, AcrossPagesNameEveryCodePage) {
    first.catch_up();
    memory.mark_code({0x3000}, 0);
    memory.mark_code({0x5000}, 0);
    from_another_thread([&] { write(0x2ff0, 0x3000); });
    first.catch_up();
    ASSERT_EQ(engine.told.size(), 2u);
    EXPECT_EQ(engine.told[0], (std::pair<u64, u64>{0x3000, page_size}));
    EXPECT_EQ(engine.told[1].first, 0x5000u);
}

TEST_F(CodeWrites, AreSeenWhereThePageIsTranslatedMeanwhile) {
    first.catch_up();
    memory.mark_code({0x3000}, 0);
    // The engine drops the old translations and, before the device's bytes are there, translates again.
    engine.on_write = [&] { memory.mark_code({0x3000}, 0); };
    write(0x3000, 16);
    EXPECT_EQ(engine.told.size(), 2u) << "once before the bytes changed and once after";
}

TEST_F(CodeWrites, OutsideRamFailWhole) {
    const std::vector<std::byte> bytes(32);
    EXPECT_FALSE(dma.write({(1u << 20) - 16}, bytes));
    EXPECT_TRUE(engine.told.empty());
}

// --- translators and writers

struct CodePageKeeping : CodeWrites {
    /// Gives the second vCPU write access to a page of the identity that memory is without paging.
    bool second_may_write(u64 page) {
        const auto filled = second.mmu.fill({page}, Access::write, Privilege::supervisor_any);
        return filled && filled->host;
    }
    bool second_has_write_entry(u64 page) {
        return second.block.tlb.write[static_cast<unsigned>(Privilege::supervisor_any)].find({page}, 1);
    }
    void write_and_translate(bool other_translations_stay);
};

TEST_F(CodePageKeeping, NeedsNobodyWhereNobodyWrites) {
    first.catch_up();
    EXPECT_TRUE(first.keep({0x3000}));
    EXPECT_TRUE(memory.holds_code_of({0x3000}, 0));
    EXPECT_FALSE(memory.holds_code_of({0x3000}, 1));
    EXPECT_FALSE(second_may_write(0x3000));
    EXPECT_EQ(bare.vcpu.counters.code_pages_contended, 0u);
}

TEST_F(CodePageKeeping, DoesNotWaitForAVcpuThatRests) {
    ASSERT_TRUE(second_may_write(0x3000));
    first.catch_up();
    EXPECT_TRUE(first.keep({0x3000}));
    EXPECT_EQ(attention_of(second), 0u) << "it may sleep on";
    EXPECT_TRUE(second_has_write_entry(0x3000));
    from_another_thread([&] { other.catch_up(); });
    EXPECT_FALSE(second_has_write_entry(0x3000)) << "but not write when it wakes";
    EXPECT_FALSE(second_may_write(0x3000));
}

TEST_F(CodePageKeeping, WaitsForAVcpuThatRuns) {
    ASSERT_TRUE(second_may_write(0x3000));
    std::promise<void> runs, may_answer;
    std::jthread writer([&] {
        other.catch_up();
        runs.set_value();
        may_answer.get_future().wait();
        while (!(attention_of(second) & attention::code)) std::this_thread::yield();
        other.catch_up();
        other.rest();
    });
    runs.get_future().wait();
    auto kept = std::async(std::launch::async, [&] {
        first.catch_up();
        return first.keep({0x3000});
    });
    EXPECT_EQ(kept.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
    may_answer.set_value();
    EXPECT_TRUE(kept.get());
    EXPECT_FALSE(second_has_write_entry(0x3000));
    EXPECT_EQ(bare.vcpu.counters.code_pages_contended, 1u);
}

TEST_F(CodePageKeeping, AVcpuThatLeavesIsNotWaitedFor) {
    ASSERT_TRUE(second_may_write(0x3000));
    std::promise<void> runs;
    std::jthread writer([&] {
        other.catch_up();
        runs.set_value();
        while (!(attention_of(second) & attention::code)) std::this_thread::yield();
        other.rest();
    });
    runs.get_future().wait();
    first.catch_up();
    EXPECT_TRUE(first.keep({0x3000}));
}

TEST_F(CodePageKeeping, TwoTranslatorsDoNotWaitForEachOther) {
    ASSERT_TRUE(second_may_write(0x3000));
    ASSERT_TRUE(bare.vcpu.mmu.fill({0x5000}, Access::write, Privilege::supervisor_any));
    std::jthread one([&] {
        first.catch_up();
        EXPECT_TRUE(first.keep({0x3000}));
        first.rest();
    });
    std::jthread two([&] {
        other.catch_up();
        EXPECT_TRUE(other.keep({0x5000}));
        other.rest();
    });
}

/// One vCPU writes "instructions", the other "translates" them: what it has kept is never older than what
/// memory says, once it has passed a boundary.
void CodePageKeeping::write_and_translate(bool other_translations_stay) {
    constexpr u64 page = 0x3000;
    constexpr u32 rounds = 20'000;
    std::atomic_ref<u32> value(*reinterpret_cast<u32*>(memory.pointer({page})));
    std::jthread writer([&] {
        other.catch_up();
        for (u32 i = 1; i <= rounds; i++) {
            second.linear.write<u32>({page}, i, Privilege::supervisor_any);
            if (attention_of(second) & attention::code) other.catch_up();
        }
        other.rest();
    });
    bool translated = false;
    u32 translation = 0;
    engine.on_write = [&] {
        translated = false;
        if (!other_translations_stay) memory.unmark_code({page}, 0);
    };
    first.catch_up();
    do {
        const u32 seen = value.load();
        if (attention_of(bare.vcpu) & attention::code) first.catch_up();
        if (!translated && (memory.holds_settled_code_of({page}, 0) || first.keep({page}))) {
            translated = true;
            translation = value.load();
        }
        if (translated) {
            ASSERT_GE(translation, seen);
        }
    } while (translation != rounds);
    first.rest();
}

TEST_F(CodePageKeeping, NoWriteGoesUnseen) { write_and_translate(false); }
TEST_F(CodePageKeeping, NoWriteGoesUnseenWhereThePageStaysMarked) { write_and_translate(true); }

}  // namespace
}  // namespace softmetal::monitor
