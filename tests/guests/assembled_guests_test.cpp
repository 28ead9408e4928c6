// Small guests in assembly, each a bzImage of its own: loader, processors, board and the end of a machine,
// end to end.
#include "guest_machine.hpp"

#include <gmock/gmock.h>

namespace softmetal::guests {
namespace {

using machine::EndReason;
using machine::Mode;
using testing::HasSubstr;
using namespace std::chrono_literals;
constexpr auto patience = 60s;  // processors that spin for each other are slow on a busy host

struct AssembledGuest : testing::TestWithParam<Mode> {
    std::unique_ptr<GuestMachine> guest;

    void start(const std::string& name, unsigned cpus = 1, std::string_view initrd = {},
               const std::vector<std::byte>& firmware = {}) {
        const auto kernel = read_file(SOFTMETAL_ASSEMBLED_GUESTS + name);
        ASSERT_TRUE(kernel) << kernel.error().message;
        GuestMachine::Options options;
        options.config = {.memory_bytes = 16u << 20,
                          .cpus = cpus,
                          .mode = GetParam(),
                          .command_line = firmware.empty() ? "one two" : "one two vga=0x317"};
        options.kernel = *kernel;
        options.firmware = firmware;
        const auto text = std::as_bytes(std::span(initrd));
        options.initrd.assign(text.begin(), text.end());
        auto started = GuestMachine::start(std::move(options));
        ASSERT_TRUE(started) << started.error().message;
        guest = std::move(*started);
    }
    EndReason end() {
        const auto e = guest->wait(patience);
        EXPECT_TRUE(e) << "the guest did not end; it wrote: " << guest->output();
        detail = e ? e->detail : "";
        return e ? e->reason : EndReason::internal_error;
    }
    std::string detail;
};

TEST_P(AssembledGuest, SaysWhatItWasBootedWith) {
    start("hello", 1, std::string_view("the initrd\0", 11));
    EXPECT_EQ(end(), EndReason::power_off) << detail;
    EXPECT_EQ(guest->output(), "hello, command line: one two; initrd: the initrd\n");
}

TEST_P(AssembledGuest, IsEnteredByMultibootAndReturnsToRealMode) {
    start("hello_multiboot", 1, std::string_view("the module\0", 11));
    EXPECT_EQ(end(), EndReason::power_off) << detail;
    EXPECT_EQ(guest->output(), "hello, command line: kernel one two; module: the module; two ticks\n");
}

TEST_P(AssembledGuest, IsEnteredInRealModeByFirmware) {
    const auto firmware = read_file("/usr/share/seabios/bios-256k.bin");
    if (!firmware) GTEST_SKIP() << "needs SeaBIOS: " << firmware.error().message;
    start("hello_real_mode", 1, std::string_view("the initrd\0", 11), *firmware);
    EXPECT_EQ(end(), EndReason::power_off) << detail;
    EXPECT_THAT(guest->output(),
                HasSubstr("real mode, command line: one two vga=0x317; initrd: the initrd; stack, "
                          "heap and video mode; the payload\n"));
}

TEST_P(AssembledGuest, Resets) {
    start("reset");
    EXPECT_EQ(end(), EndReason::reset) << detail;
}

TEST_P(AssembledGuest, EndsInATripleFaultWithItsRegisters) {
    start("triple_fault");
    EXPECT_EQ(end(), EndReason::triple_fault);
    EXPECT_THAT(detail, HasSubstr("RAX 1122334455667788"));
    EXPECT_THAT(detail, HasSubstr("RIP 000000000010020a"));
}

TEST_P(AssembledGuest, CountsTimerTicksThroughBothInterruptControllers) {
    start("timer_tick");
    EXPECT_EQ(end(), EndReason::power_off) << detail;
    EXPECT_EQ(guest->output(), "ten ticks by the 8259\nten ticks by the I/O APIC\n");
    const auto statistics = guest->machine().statistics();
    EXPECT_GE(statistics.at("total").at("interrupts").get<u64>(), 20u);
    EXPECT_GE(statistics.at("total").at("halts").get<u64>(), 10u);
}

TEST_P(AssembledGuest, StartsASecondProcessor) {
    start("second_cpu", 2);
    EXPECT_EQ(end(), EndReason::power_off) << detail;
    EXPECT_EQ(guest->output(), "first processor\nsecond processor\nboth processors\n");
}

TEST_P(AssembledGuest, RunsCodeThatItsProcessorsWriteForEachOther) {
    start("cross_modifying", 2);
    EXPECT_EQ(end(), EndReason::power_off) << detail;
    EXPECT_EQ(guest->output(), "each saw what the other wrote\n");
}

TEST_P(AssembledGuest, IsStoppedWhileItSleeps) {
    start("sleep_forever");
    ASSERT_TRUE(guest->expect("asleep\n", patience));
    EXPECT_FALSE(guest->wait(100ms)) << "interrupts are off: nothing wakes it";
    guest->machine().request_stop();
    EXPECT_EQ(end(), EndReason::stopped);
    EXPECT_THAT(guest->output(), testing::Not(HasSubstr("woken")));
}

TEST_P(AssembledGuest, IsStoppedWhileItRuns) {
    start("busy_loop");
    ASSERT_TRUE(guest->expect("busy\n", patience));
    guest->machine().request_stop();
    EXPECT_EQ(end(), EndReason::stopped);
}

INSTANTIATE_TEST_SUITE_P(Engines, AssembledGuest, testing::Values(Mode::interpret, Mode::automatic),
                         [](const auto& instance) {
                             return instance.param == Mode::interpret ? "Interpreted" : "Automatic";
                         });

}  // namespace
}  // namespace softmetal::guests
