#include "devices/local_apic/local_apic.hpp"

#include "fakes.hpp"

#include <gtest/gtest.h>
#include <thread>

namespace softmetal::devices {
namespace {

namespace reg = apic::reg;
using testing::FakeClock;
using testing::FakeTimerFactory;

constexpr u32 enabled_svr = 0x1ff;
constexpr u64 tsc_per_ns = 2;

struct FakeCpu : bus::CpuInterruptPort {
    void interrupt_pending() override { ++pending; }
    void nonmaskable_interrupt() override { ++nmis; }
    void init() override { ++inits; }
    void startup(u8 v) override { startups.push_back(v); }
    std::atomic<unsigned> pending{0};
    unsigned nmis = 0, inits = 0;
    std::vector<u8> startups;
};

struct Board {
    explicit Board(unsigned count = 1) : cpus(count) {
        for (unsigned i = 0; i < count; ++i) {
            apics.push_back(std::make_unique<LocalApic>(resources(i)));
            fabric.connect(*apics.back());
        }
        fabric.on_end_of_interrupt([this](u8 v) { ended.push_back(v); });
    }
    LocalApic::Resources resources(unsigned i, InterruptFabric* to = nullptr) {
        return {.id = i,
                .bootstrap = i == 0,
                .physical_address_bits = 46,
                .cpu = cpus[i],
                .clock = clock,
                .timers = timers,
                .fabric = to ? *to : fabric,
                .time_of_tsc = [](u64 tsc) { return (tsc + tsc_per_ns - 1) / tsc_per_ns; },
                .acknowledge_external = [this] { return std::exchange(external, std::nullopt); }};
    }
    LocalApic& operator[](unsigned i) { return *apics[i]; }
    void enable_all() {
        for (auto& a : apics) a->write_register(reg::spurious_vector, enabled_svr);
    }
    void post(unsigned cpu, u8 vector, bool level = false) {
        fabric.send({.address = 0xfee00000 | cpu << 12, .data = vector | (level ? 0xc000u : 0u)});
    }

    FakeClock clock;
    FakeTimerFactory timers{clock};
    InterruptFabric fabric;
    std::vector<FakeCpu> cpus;
    std::vector<std::unique_ptr<LocalApic>> apics;
    std::vector<u8> ended;
    std::optional<u8> external;
};

u32 irr(LocalApic& a, u8 vector) {
    return a.read_register(reg::interrupt_request + vector / 32 * 16) >> (vector % 32) & 1;
}
u32 isr(LocalApic& a, u8 vector) {
    return a.read_register(reg::in_service + vector / 32 * 16) >> (vector % 32) & 1;
}

TEST(LocalApic, ResetState) {
    Board b(2);
    EXPECT_EQ(b[0].base(), 0xfee00900u);
    EXPECT_EQ(b[1].base(), 0xfee00800u);
    EXPECT_EQ(b[1].read_register(reg::id), 1u << 24);
    EXPECT_EQ(b[0].read_register(reg::version), 0x50014u);
    EXPECT_EQ(b[0].read_register(reg::spurious_vector), 0xffu);
    EXPECT_EQ(b[0].read_register(reg::destination_format), 0xffffffffu);
    for (u32 offset = reg::lvt_timer; offset <= reg::lvt_error; offset += 16)
        EXPECT_EQ(b[0].read_register(offset), 0x10000u);
    EXPECT_FALSE(b[0].deliverable());
}

TEST(LocalApic, SoftwareDisabledAcceptsNothingAndMasksLocalVectors) {
    Board b;
    b.post(0, 0x40);
    EXPECT_FALSE(b[0].deliverable());
    b[0].write_register(reg::lvt_timer, 0x30);
    EXPECT_EQ(b[0].read_register(reg::lvt_timer), 0x10030u);
    b.enable_all();
    b[0].write_register(reg::lvt_timer, 0x30);
    EXPECT_EQ(b[0].read_register(reg::lvt_timer), 0x30u);
    b[0].write_register(reg::spurious_vector, 0xff);
    EXPECT_EQ(b[0].read_register(reg::lvt_timer), 0x10030u);
}

TEST(LocalApic, PriorityNestingAndEndOfInterrupt) {
    Board b;
    b.enable_all();
    b.post(0, 0x41);
    b.post(0, 0x52);
    EXPECT_GE(b.cpus[0].pending, 1u);
    EXPECT_EQ(b[0].acknowledge(), 0x52);
    EXPECT_EQ(b[0].read_register(reg::processor_priority), 0x50u);
    EXPECT_EQ(isr(b[0], 0x52), 1u);
    EXPECT_EQ(irr(b[0], 0x41), 1u);
    EXPECT_FALSE(b[0].deliverable());
    b.post(0, 0x5f);  // the same class does not nest
    EXPECT_EQ(b[0].acknowledge(), std::nullopt);
    b.post(0, 0x60);
    EXPECT_EQ(b[0].acknowledge(), 0x60);
    b[0].write_register(reg::end_of_interrupt, 0);
    EXPECT_EQ(isr(b[0], 0x60), 0u);
    const unsigned before = b.cpus[0].pending;
    b[0].write_register(reg::end_of_interrupt, 0);
    EXPECT_GT(b.cpus[0].pending, before);  // 0x5f has become deliverable
    EXPECT_EQ(b[0].acknowledge(), 0x5f);
    b[0].write_register(reg::end_of_interrupt, 0);
    EXPECT_EQ(b[0].acknowledge(), 0x41);
    EXPECT_TRUE(b.ended.empty());  // all were edges
}

TEST(LocalApic, TaskPriorityHoldsInterruptsBack) {
    Board b;
    b.enable_all();
    b[0].set_task_priority(0x45);
    const unsigned before = b.cpus[0].pending;
    b.post(0, 0x4f);
    EXPECT_FALSE(b[0].deliverable());
    EXPECT_EQ(b.cpus[0].pending, before);
    EXPECT_EQ(b[0].read_register(reg::processor_priority), 0x45u);
    b[0].write_register(reg::task_priority, 0x30);
    EXPECT_GT(b.cpus[0].pending, before);
    EXPECT_EQ(b[0].task_priority(), 0x30);
    EXPECT_EQ(b[0].acknowledge(), 0x4f);
}

TEST(LocalApic, LevelTriggeredEndIsBroadcast) {
    Board b;
    b.enable_all();
    b.post(0, 0x70, true);
    EXPECT_EQ(b[0].acknowledge(), 0x70);
    EXPECT_EQ(b[0].read_register(reg::trigger_mode + 3 * 16), 1u << 16);
    b[0].write_register(reg::end_of_interrupt, 0);
    EXPECT_EQ(b.ended, std::vector<u8>{0x70});
    b[0].write_register(reg::end_of_interrupt, 0);  // nothing in service
    EXPECT_EQ(b.ended.size(), 1u);
}

TEST(LocalApic, IllegalVectorsSetErrorStatus) {
    Board b;
    b.enable_all();
    b[0].write_register(reg::lvt_error, 0x33);
    b.post(0, 7);
    EXPECT_EQ(b[0].read_register(reg::error_status), 0u);  // latched by a write only
    b[0].write_register(reg::error_status, 0);
    EXPECT_EQ(b[0].read_register(reg::error_status), apic::error::receive_illegal_vector);
    EXPECT_EQ(b[0].acknowledge(), 0x33);
    b[0].write_register(reg::command_low, 0x4000 | 3);
    (void)b[0].read_register(0x3f0);
    b[0].write_register(reg::error_status, 0);
    EXPECT_EQ(b[0].read_register(reg::error_status),
              apic::error::send_illegal_vector | apic::error::illegal_register);
    b[0].write_register(reg::error_status, 0);
    EXPECT_EQ(b[0].read_register(reg::error_status), 0u);
}

TEST(LocalApic, ErrorInterruptWithAnIllegalVectorEnds) {
    Board b;
    b.enable_all();
    b[0].write_register(reg::lvt_error, 5);
    b.post(0, 5);
    EXPECT_FALSE(b[0].deliverable());
}

TEST(LocalApic, PhysicalLogicalAndBroadcastDestinations) {
    Board b(4);
    b.enable_all();
    for (unsigned i = 0; i < 4; ++i) b[i].write_register(reg::logical_destination, 1u << (24 + i));
    const auto receivers = [&](u8 vector) {
        std::string who;
        for (unsigned i = 0; i < 4; ++i) {
            if (irr(b[i], vector)) who += static_cast<char>('0' + i);
            while (b[i].acknowledge()) b[i].write_register(reg::end_of_interrupt, 0);
        }
        return who;
    };
    const auto ipi = [&](unsigned from, u32 destination, u32 low) {
        b[from].write_register(reg::command_high, destination << 24);
        b[from].write_register(reg::command_low, low);
    };
    ipi(0, 2, 0x4040);
    EXPECT_EQ(receivers(0x40), "2");
    ipi(0, 0xff, 0x4040);
    EXPECT_EQ(receivers(0x40), "0123");
    ipi(0, 0b1010, 0x4040 | apic::command::logical);
    EXPECT_EQ(receivers(0x40), "13");
    ipi(1, 0, 0x4040 | 1u << 18);
    EXPECT_EQ(receivers(0x40), "1");
    ipi(1, 0, 0x4040 | 2u << 18);
    EXPECT_EQ(receivers(0x40), "0123");
    ipi(1, 0, 0x4040 | 3u << 18);
    EXPECT_EQ(receivers(0x40), "023");
    // Cluster model: two clusters of two.
    for (unsigned i = 0; i < 4; ++i) {
        b[i].write_register(reg::destination_format, 0x0fffffff);
        b[i].write_register(reg::logical_destination, (i / 2) << 28 | 1u << (24 + i % 2));
    }
    ipi(0, 0x13, 0x4040 | apic::command::logical);
    EXPECT_EQ(receivers(0x40), "23");
    ipi(0, 0x01, 0x4040 | apic::command::logical);
    EXPECT_EQ(receivers(0x40), "0");
}

TEST(LocalApic, LowestPriorityChoosesTheIdlestAndGoesRound) {
    Board b(3);
    b.enable_all();
    for (unsigned i = 0; i < 3; ++i) b[i].write_register(reg::logical_destination, 1u << (24 + i));
    b[0].set_task_priority(0x20);
    const bus::InterruptMessage message{.address = 0xfee0700c, .data = 0x61};  // logical, hint
    std::array<unsigned, 3> taken{};
    for (int n = 0; n < 6; ++n) {
        b.fabric.send(message);
        for (unsigned i = 0; i < 3; ++i)
            while (b[i].acknowledge()) {
                ++taken[i];
                b[i].write_register(reg::end_of_interrupt, 0);
            }
    }
    EXPECT_EQ(taken[0], 0u);
    EXPECT_GT(taken[1], 0u);
    EXPECT_GT(taken[2], 0u);
    EXPECT_EQ(taken[1] + taken[2], 6u);
}

TEST(LocalApic, StartingAnotherProcessor) {
    Board b(2);
    b.enable_all();
    b.post(1, 0x40);
    b[0].write_register(reg::command_high, 1u << 24);
    b[0].write_register(reg::command_low, 0xc500);  // INIT, level, assert
    EXPECT_EQ(b.cpus[1].inits, 1u);
    EXPECT_FALSE(b[1].software_enabled());
    EXPECT_FALSE(b[1].deliverable());
    b[0].write_register(reg::command_low, 0x8500);  // de-assert: nothing
    EXPECT_EQ(b.cpus[1].inits, 1u);
    b[0].write_register(reg::command_low, 0x4608);
    EXPECT_EQ(b.cpus[1].startups, std::vector<u8>{8});
    b[0].write_register(reg::command_low, 0x4400);
    EXPECT_EQ(b.cpus[1].nmis, 1u);
    EXPECT_EQ(b.cpus[0].inits + b.cpus[0].nmis + b.cpus[0].startups.size(), 0u);
}

TEST(LocalApic, ExternalInterruptsPassWhenDisabledOrWired) {
    Board b;
    b.external = 0x08;
    b[0].lint0().set_level(true);
    EXPECT_FALSE(b[0].deliverable());  // LINT0 is masked after reset
    ASSERT_TRUE(b[0].set_base(0xfee00000));
    EXPECT_TRUE(b[0].deliverable());
    EXPECT_EQ(b[0].acknowledge(), 0x08);
    ASSERT_TRUE(b[0].set_base(0xfee00800));
    EXPECT_FALSE(b[0].deliverable());
    const unsigned before = b.cpus[0].pending;
    b[0].set_virtual_wire();
    EXPECT_TRUE(b[0].deliverable());
    EXPECT_GT(b.cpus[0].pending, before);
    b.external = 0x09;
    b[0].set_task_priority(0xff);  // does not hold the 8259 back
    EXPECT_EQ(b[0].acknowledge(), 0x09);
    b[0].lint0().set_level(false);
    EXPECT_FALSE(b[0].deliverable());
    b[0].lint1().set_level(true);
    EXPECT_EQ(b.cpus[0].nmis, 1u);
    b[0].lint1().set_level(true);
    EXPECT_EQ(b.cpus[0].nmis, 1u);
}

TEST(LocalApic, ExternalInterruptByMessage) {
    Board b;
    b.enable_all();
    b.external = 0x20;
    b.fabric.send({.address = 0xfee00000, .data = 0x700});
    EXPECT_TRUE(b[0].deliverable());
    EXPECT_EQ(b[0].acknowledge(), 0x20);
    EXPECT_FALSE(b[0].deliverable());
}

TEST(LocalApic, LevelLintRepeatsUntilTheLineFalls) {
    Board b;
    b.enable_all();
    b[0].write_register(reg::lvt_lint0, 0x8055);
    b[0].lint0().set_level(true);
    EXPECT_EQ(b[0].read_register(reg::lvt_lint0), 0x8055u | apic::lvt::remote_irr);
    EXPECT_EQ(b[0].acknowledge(), 0x55);
    b[0].write_register(reg::end_of_interrupt, 0);
    EXPECT_EQ(b[0].acknowledge(), 0x55);
    b[0].lint0().set_level(false);
    b[0].write_register(reg::end_of_interrupt, 0);
    EXPECT_EQ(b[0].acknowledge(), std::nullopt);
    EXPECT_EQ(b[0].read_register(reg::lvt_lint0), 0x8055u);
}

TEST(LocalApic, OneShotTimer) {
    Board b;
    b.enable_all();
    b[0].write_register(reg::divide_configuration, 0b1011);  // by 1
    b[0].write_register(reg::lvt_timer, 0x31);
    b[0].write_register(reg::initial_count, 1000);
    b.timers.advance(400);
    EXPECT_EQ(b[0].read_register(reg::current_count), 600u);
    b.timers.advance(599);
    EXPECT_FALSE(b[0].deliverable());
    b.timers.advance(1);
    EXPECT_EQ(b[0].acknowledge(), 0x31);
    EXPECT_EQ(b[0].read_register(reg::current_count), 0u);
    EXPECT_EQ(b.timers.next_deadline(), std::nullopt);
}

TEST(LocalApic, DividerChangeKeepsTheCount) {
    Board b;
    b.enable_all();
    b[0].write_register(reg::divide_configuration, 0b0011);  // by 16
    b[0].write_register(reg::lvt_timer, 0x31);
    b[0].write_register(reg::initial_count, 100);
    b.timers.advance(50 * 16);
    EXPECT_EQ(b[0].read_register(reg::current_count), 50u);
    b[0].write_register(reg::divide_configuration, 0b1000);  // by 32
    EXPECT_EQ(b[0].read_register(reg::current_count), 50u);
    EXPECT_EQ(b.timers.next_deadline(), 50u * 16 + 50 * 32);
}

TEST(LocalApic, PeriodicTimerKeepsItsPhaseWhenLate) {
    Board b;
    b.enable_all();
    b[0].write_register(reg::divide_configuration, 0b1011);
    b[0].write_register(reg::lvt_timer, 0x20031);
    b[0].write_register(reg::initial_count, 100'000);
    b.timers.run_until(100'000);
    EXPECT_EQ(b[0].acknowledge(), 0x31);
    b[0].write_register(reg::end_of_interrupt, 0);
    b.clock.set(350'000);  // the event loop slept through two
    EXPECT_EQ(b[0].read_register(reg::current_count), 50'000u);
    EXPECT_EQ(b[0].acknowledge(), 0x31);
    EXPECT_EQ(b.timers.next_deadline(), 400'000u);
}

TEST(LocalApic, TinyPeriodDoesNotFloodTheEventLoop) {
    Board b;
    b.enable_all();
    b[0].write_register(reg::divide_configuration, 0b1011);
    b[0].write_register(reg::lvt_timer, 0x20031);
    b[0].write_register(reg::initial_count, 1);
    unsigned interrupts = 0;
    for (int i = 0; i < 100; ++i) {
        b.timers.advance(10'000);
        if (b[0].acknowledge()) ++interrupts;
        b[0].write_register(reg::end_of_interrupt, 0);
    }
    EXPECT_EQ(interrupts, 1'000'000 / ApicTimer::shortest_interval);
}

TEST(LocalApic, MaskedTimerCountsSilently) {
    Board b;
    b.enable_all();
    b[0].write_register(reg::divide_configuration, 0b1011);
    b[0].write_register(reg::lvt_timer, 0x10031);
    b[0].write_register(reg::initial_count, 1000);
    EXPECT_EQ(b.timers.next_deadline(), std::nullopt);
    b.timers.advance(300);
    EXPECT_EQ(b[0].read_register(reg::current_count), 700u);
    b.timers.advance(5000);
    b[0].write_register(reg::lvt_timer, 0x31);
    EXPECT_FALSE(b[0].deliverable());
}

TEST(LocalApic, TscDeadline) {
    Board b;
    b.enable_all();
    EXPECT_TRUE(b[0].write_msr(0x6e0, 5000));
    EXPECT_EQ(b[0].read_msr(0x6e0), 0u);  // not in deadline mode: ignored
    b[0].write_register(reg::lvt_timer, 0x40031);
    EXPECT_TRUE(b[0].write_msr(0x6e0, 5000));
    EXPECT_EQ(b[0].read_msr(0x6e0), 5000u);
    EXPECT_EQ(b.timers.next_deadline(), 2500u);
    EXPECT_EQ(b[0].read_register(reg::current_count), 0u);
    b.timers.run_until(2500);
    EXPECT_EQ(b[0].acknowledge(), 0x31);
    b[0].write_register(reg::end_of_interrupt, 0);
    EXPECT_EQ(b[0].read_msr(0x6e0), 0u);
    EXPECT_TRUE(b[0].write_msr(0x6e0, 10));  // already past
    EXPECT_EQ(b[0].acknowledge(), 0x31);
    EXPECT_TRUE(b[0].write_msr(0x6e0, 9000));
    EXPECT_TRUE(b[0].write_msr(0x6e0, 0));
    EXPECT_EQ(b.timers.next_deadline(), std::nullopt);
}

TEST(LocalApic, BaseRegisterTransitions) {
    Board b;
    LocalApic& a = b[0];
    EXPECT_FALSE(a.set_base(0xfee00400));          // x2APIC without enable
    EXPECT_FALSE(a.set_base(0xfee00a00));          // reserved bit
    EXPECT_FALSE(a.set_base(1ull << 46 | 0x800));  // beyond the address width
    EXPECT_TRUE(a.set_base(0xfee00c00));
    EXPECT_EQ(a.base(), 0xfee00d00u);
    EXPECT_FALSE(a.set_base(0xfee00800));  // back to xAPIC only through disabled
    EXPECT_TRUE(a.set_base(0xfee00000));
    EXPECT_FALSE(a.set_base(0xfee00c00));
    EXPECT_TRUE(a.set_base(0xfed00800));
    EXPECT_EQ(a.base(), 0xfed00900u);
}

TEST(LocalApic, X2ApicRegisters) {
    Board b(2);
    ASSERT_EQ(b[1].read_msr(0x802), std::nullopt);  // still xAPIC
    for (unsigned i = 0; i < 2; ++i) {
        ASSERT_TRUE(b[i].set_base(0xfee00c00));
        ASSERT_TRUE(b[i].write_msr(0x80f, enabled_svr));
    }
    EXPECT_EQ(b[1].read_register(reg::id), 0xffffffffu);  // no page any more
    EXPECT_EQ(b[1].read_msr(0x802), 1u);
    EXPECT_EQ(b[1].read_msr(0x80d), 2u);
    for (const u32 absent : {0x809u, 0x80bu, 0x80eu, 0x831u, 0x83fu, 0x8ffu, 0x800u})
        EXPECT_EQ(b[1].read_msr(absent), std::nullopt) << absent;
    EXPECT_FALSE(b[1].write_msr(0x802, 0));
    EXPECT_FALSE(b[1].write_msr(0x80b, 1));
    EXPECT_TRUE(b[1].write_msr(0x80b, 0));
    EXPECT_FALSE(b[1].write_msr(0x808, 0x100));
    EXPECT_TRUE(b[0].write_msr(0x830, u64{1} << 32 | 0x4055));
    EXPECT_EQ(b[0].read_msr(0x830), (u64{1} << 32 | 0x4055));
    EXPECT_EQ(b[1].acknowledge(), 0x55);
    EXPECT_TRUE(b[0].write_msr(0x830, u64{0xffffffff} << 32 | 0x4066));
    EXPECT_EQ(b[0].acknowledge(), 0x66);
    EXPECT_EQ(b[1].acknowledge(), 0x66);
    EXPECT_TRUE(b[0].write_msr(0x830, u64{0x3} << 32 | 0x4077 | apic::command::logical));
    EXPECT_EQ(b[0].acknowledge(), 0x77);
    EXPECT_EQ(b[1].acknowledge(), 0x77);
    EXPECT_TRUE(b[0].write_msr(0x83f, 0x88));
    EXPECT_EQ(b[0].acknowledge(), 0x88);
    EXPECT_EQ(b[1].acknowledge(), std::nullopt);
}

TEST(LocalApic, SavedInTheMiddleOfThingsAndRestored) {
    Board b;
    b.enable_all();
    b[0].write_register(reg::divide_configuration, 0b1011);
    b[0].write_register(reg::lvt_timer, 0x20031);
    b[0].write_register(reg::initial_count, 100'000);
    b.post(0, 0x52, true);
    ASSERT_EQ(b[0].acknowledge(), 0x52);
    b.post(0, 0x41);
    b.timers.advance(30'000);
    const bus::SavedState saved = b[0].save();

    Board fresh;
    fresh.clock.set(30'000);
    auto restored = LocalApic::restore(fresh.resources(0), saved);
    ASSERT_TRUE(restored.has_value()) << restored.error().message;
    LocalApic& a = **restored;
    EXPECT_EQ(a.save().fields, saved.fields);
    EXPECT_FALSE(a.deliverable());
    EXPECT_EQ(a.read_register(reg::current_count), 70'000u);
    EXPECT_EQ(fresh.timers.next_deadline(), 100'000u);
    a.write_register(reg::end_of_interrupt, 0);
    EXPECT_EQ(fresh.ended, std::vector<u8>{0x52});
    EXPECT_EQ(a.acknowledge(), 0x41);
}

TEST(LocalApic, RestoreRefusesTheImpossible) {
    Board b;
    const bus::SavedState good = b[0].save();
    const auto refused = [&](auto change) {
        bus::SavedState bad = good;
        change(bad);
        return !LocalApic::restore(b.resources(0), bad).has_value();
    };
    EXPECT_FALSE(refused([](auto&) {}));
    EXPECT_TRUE(refused([](auto& s) { s.schema = "uart"; }));
    EXPECT_TRUE(refused([](auto& s) { s.version = 2; }));
    EXPECT_TRUE(refused([](auto& s) { s.fields.erase("base"); }));
    EXPECT_TRUE(refused([](auto& s) { s.fields["base"] = 0xfee00500; }));
    EXPECT_TRUE(refused([](auto& s) { s.fields["id"] = 1; }));
    EXPECT_TRUE(refused([](auto& s) { s.fields["requests"] = {1, 2}; }));
    EXPECT_TRUE(refused([](auto& s) { s.fields["requests"][0] = 1; }));
    EXPECT_TRUE(refused([](auto& s) { s.fields["task_priority"] = -1; }));
    EXPECT_TRUE(refused([](auto& s) { s.fields["timer"]["counting"] = true; }));  // with a count of zero
    EXPECT_TRUE(refused([](auto& s) { s.fields["timer"]["mode"] = 2; }));
    EXPECT_TRUE(refused([](auto& s) { s.fields["timer"] = 3; }));
    EXPECT_TRUE(refused([](auto& s) { s.fields = nullptr; }));
}

TEST(LocalApic, ConcurrentPostsAreAllSeen) {
    Board b;
    b.enable_all();
    std::atomic<bool> go{false};
    const auto poster = [&](u8 first) {
        while (!go) std::this_thread::yield();
        for (unsigned i = 0; i < 32; ++i) b.post(0, static_cast<u8>(first + i * 2));
    };
    std::thread even(poster, 0x80), odd(poster, 0x81);
    go = true;
    std::array<bool, 256> seen{};
    unsigned count = 0;
    const auto drain = [&] {
        while (const auto v = b[0].acknowledge()) {
            EXPECT_FALSE(seen[*v]);
            seen[*v] = true;
            ++count;
            b[0].write_register(reg::end_of_interrupt, 0);
        }
    };
    for (int i = 0; i < 100; ++i) drain();
    even.join();
    odd.join();
    drain();
    EXPECT_EQ(count, 64u);
}

}  // namespace
}  // namespace softmetal::devices
