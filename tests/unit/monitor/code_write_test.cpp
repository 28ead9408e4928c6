// Writes into code pages: by the vCPU's own thread, by other threads, by devices.
#include "fake_engine.hpp"
#include "monitor/code_aware_dma.hpp"
#include "monitor/code_write_inbox.hpp"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace softmetal::monitor {
namespace {

struct Translations final : CodeWriteObserver {
    void code_about_to_change(GuestPhysical address, u64 size) override {
        told.emplace_back(address.value, size);
        if (on_write) on_write();
    }
    std::vector<std::pair<u64, u64>> told;
    std::function<void()> on_write;
};

struct CodeWrites : ::testing::Test {
    testing::BareVcpu bare;
    Translations engine;
    CodeWriteInbox inbox{bare.vcpu, engine};
    CodeAwareDma dma{*bare.memory};

    void from_another_thread(const std::function<void()>& action) { std::jthread{action}; }
    void write(u64 address, std::size_t size) {
        const std::vector<std::byte> bytes(size, std::byte{0xcc});
        EXPECT_TRUE(dma.write({address}, bytes));
    }
};

TEST_F(CodeWrites, OfTheVcpuItselfArePassedOnAtOnce) {
    inbox.deliver();  // this thread is the vCPU's
    bare.memory->mark_code({0x3000});
    bare.memory->about_to_write({0x3010}, 4);
    ASSERT_EQ(engine.told.size(), 1u);
    EXPECT_EQ(engine.told[0], (std::pair<u64, u64>{0x3010, 4}));
    EXPECT_EQ(bare.vcpu.block.attention.load(), 0u);
}

TEST_F(CodeWrites, OfOthersWaitForTheVcpuAndCallIt) {
    inbox.deliver();
    bare.memory->mark_code({0x3000});
    from_another_thread([&] { write(0x3010, 4); });
    EXPECT_TRUE(engine.told.empty());
    EXPECT_TRUE(bare.vcpu.block.attention.load() & attention::stop);
    inbox.deliver();
    ASSERT_EQ(engine.told.size(), 1u);
    EXPECT_EQ(engine.told[0], (std::pair<u64, u64>{0x3000, page_size}));
    inbox.deliver();
    EXPECT_EQ(engine.told.size(), 1u) << "told once";
}

TEST_F(CodeWrites, OfDataDisturbNobody) {
    inbox.deliver();
    from_another_thread([&] { write(0x3010, 4); });
    EXPECT_EQ(bare.vcpu.block.attention.load(), 0u);
}

TEST_F(CodeWrites, AcrossPagesNameEveryCodePage) {
    inbox.deliver();
    bare.memory->mark_code({0x3000});
    bare.memory->mark_code({0x5000});
    from_another_thread([&] { write(0x2ff0, 0x3000); });
    inbox.deliver();
    ASSERT_EQ(engine.told.size(), 2u);
    EXPECT_EQ(engine.told[0].first, 0x3000u);
    EXPECT_EQ(engine.told[1].first, 0x5000u);
}

TEST_F(CodeWrites, AreSeenWhereThePageIsTranslatedMeanwhile) {
    inbox.deliver();
    bare.memory->mark_code({0x3000});
    // The engine drops the old translations and, before the device's bytes are there, translates again.
    engine.on_write = [&] { bare.memory->mark_code({0x3000}); };
    write(0x3000, 16);
    EXPECT_EQ(engine.told.size(), 2u) << "once before the bytes changed and once after";
}

TEST_F(CodeWrites, OutsideRamFailWhole) {
    const std::vector<std::byte> bytes(32);
    EXPECT_FALSE(dma.write({(1u << 20) - 16}, bytes));
    EXPECT_TRUE(engine.told.empty());
}

}  // namespace
}  // namespace softmetal::monitor
