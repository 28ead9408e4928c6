// How a run ends, as the exit status, standard error and --stats tell it.
#include "command.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace softmetal {
namespace {

using ::testing::HasSubstr;

TEST(Ending, PowerOffIsSuccess) {
    Command command(run_guest("hello"));
    EXPECT_EQ(command.status(), 0) << command.errors();
    EXPECT_EQ(command.errors(), "");
}

TEST(Ending, TripleFaultShowsTheRegisters) {
    Command command(run_guest("triple_fault"));
    EXPECT_EQ(command.status(), 3);
    EXPECT_THAT(command.errors(), HasSubstr("triple fault"));
    EXPECT_THAT(command.errors(), ::testing::ContainsRegex("[Rr][Ii][Pp]"));
}

TEST(Ending, ResetEndsTheRunWhereAskedFor) {
    Command command(run_guest("echo", {"--on-reset", "exit"}));
    ASSERT_TRUE(command.shows("ready"));
    command.type("R");
    EXPECT_EQ(command.status(), 5);
    EXPECT_EQ(command.errors(), "");
}

TEST(Ending, TheDebugExitPortDecidesTheStatus) {
    Command command(run_guest("echo", {"--debug-exit"}));
    ASSERT_TRUE(command.shows("ready"));
    command.type("X");
    EXPECT_EQ(command.status(), 11);
    EXPECT_EQ(command.errors(), "");
}

TEST(Ending, WithoutItsOptionThereIsNoDebugExitPort) {
    Command command(run_guest("echo"));
    ASSERT_TRUE(command.shows("ready"));
    command.type("XQ");
    EXPECT_EQ(command.status(), 0);
}

TEST(Ending, ResetStartsTheGuestAgain) {
    Command command(run_guest("echo"));
    ASSERT_TRUE(command.shows("ready"));
    command.type("R");
    ASSERT_TRUE(command.shows("ready"));
    command.type("Q");
    EXPECT_EQ(command.status(), 0);
}

class StopSignal : public ::testing::TestWithParam<int> {};
TEST_P(StopSignal, StopsTheMachineAndIsTheStatus) {
    for (const char* guest : {"busy_loop", "sleep_forever", "echo"}) {
        Command command(run_guest(guest));
        ASSERT_TRUE(eventually([&] { return command.vm_process_id() != 0; }));
        const pid_t vm = command.vm_process_id();
        command.signal(GetParam());
        EXPECT_EQ(command.status(), 128 + GetParam()) << guest;
        EXPECT_EQ(command.errors(), "") << guest;
        EXPECT_FALSE(std::filesystem::exists("/proc/" + std::to_string(vm))) << guest;
    }
}
INSTANTIATE_TEST_SUITE_P(Signals, StopSignal, ::testing::Values(SIGINT, SIGTERM, SIGHUP));

// SIGSEGV and SIGFPE too, which the VM process handles where its generated code raises them.
TEST(Ending, KilledVmProcessIsReported) {
    for (const int signal : {SIGKILL, SIGTERM, SIGSEGV, SIGFPE}) {
        Command command(run_guest("echo"));
        ASSERT_TRUE(command.shows("ready"));
        kill(command.vm_process_id(), signal);
        EXPECT_EQ(command.status(), 4);
        EXPECT_THAT(command.errors(),
                    HasSubstr("the VM process died: it was killed by signal " + std::to_string(signal)));
    }
}

TEST(Ending, VmProcessDiesWithItsParent) {
    Command command(run_guest("busy_loop"));
    ASSERT_TRUE(command.shows("busy"));
    const std::string stat = "/proc/" + std::to_string(command.vm_process_id()) + "/stat";
    command.signal(SIGKILL);
    EXPECT_EQ(command.status(), 1000 + SIGKILL);
    EXPECT_TRUE(eventually([&] {
        std::string line;
        std::getline(std::ifstream(stat), line);
        return line.empty() || line.find(") Z ") != std::string::npos;  // a container's init may not reap it
    }));
}

TEST(Ending, StatisticsAreATableOnStandardError) {
    Command command(run_guest("hello", {"--stats"}));
    EXPECT_EQ(command.status(), 0);
    EXPECT_THAT(command.errors(), HasSubstr("port_accesses"));
    EXPECT_THAT(command.errors(), HasSubstr("port I/O accesses"));
}

TEST(Ending, StatisticsAreJsonInAFile) {
    const auto path = std::filesystem::temp_directory_path() / "softmetal-statistics.json";
    Command command(run_guest("hello", {"--stats=" + path.string()}));
    EXPECT_EQ(command.status(), 0);
    EXPECT_EQ(command.errors(), "");
    std::ifstream file(path);
    const auto statistics = nlohmann::json::parse(file);
    EXPECT_GT(statistics["total"]["port_accesses"].get<int>(), 0);
    std::filesystem::remove(path);
}

TEST(Ending, StatisticsOfAStoppedMachineAreKept) {
    Command command(run_guest("busy_loop", {"--stats"}));
    ASSERT_TRUE(command.shows("busy"));
    command.signal(SIGTERM);
    EXPECT_EQ(command.status(), 143);
    EXPECT_THAT(command.errors(), HasSubstr("port_accesses"));
}

}  // namespace
}  // namespace softmetal
