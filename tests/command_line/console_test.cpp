// The guest's serial port on pipes and files: nothing lost, nothing waited for in vain.
#include "command.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

namespace softmetal {
namespace {

using ::testing::HasSubstr;

TEST(Console, CarriesBytesBothWaysUnchanged) {
    Command command(run_guest("echo"));
    ASSERT_TRUE(command.shows("ready\n"));
    const std::string text = "one\r\ntwo\n\x01x\x7f\xff end";  // on a pipe, Ctrl-A means nothing
    command.type(text + "Q");
    EXPECT_EQ(command.status(), 0);
    EXPECT_EQ(command.output(), "ready\n" + text);
}

TEST(Console, InputBeforeTheGuestIsReadyIsKept) {
    Command command(run_guest("echo"));
    command.type("earlyQ");
    command.close_input();
    EXPECT_EQ(command.status(), 0);
    EXPECT_THAT(command.output(), HasSubstr("early"));
}

TEST(Console, LongInputArrivesWhole) {
    std::string text;
    for (int i = 0; i < 3000; ++i) text += std::to_string(i) + " ";
    Command command(run_guest("echo"));
    command.type(text + "Q");
    EXPECT_EQ(command.status(), 0);
    EXPECT_EQ(command.output(), "ready\n" + text);
}

TEST(Console, EndOfInputDoesNotStopTheGuest) {
    Command command(run_guest("hello"), Streams::pipes, "< /dev/null");
    EXPECT_EQ(command.status(), 0);
}

TEST(Console, ClosedStandardInputDoesNotStopTheGuest) {
    Command command(run_guest("hello"), Streams::pipes, "<&-");
    EXPECT_EQ(command.status(), 0);
}

TEST(Console, AllStreamsClosedStillEnds) {
    Command command(run_guest("hello"), Streams::pipes, "<&- >&- 2>&-");
    EXPECT_EQ(command.status(), 4);
}

TEST(Console, ClosedStandardOutputIsAnError) {
    Command command(run_guest("hello"), Streams::pipes, ">&-");
    EXPECT_EQ(command.status(), 4);
    EXPECT_THAT(command.errors(), HasSubstr("standard output: Bad file descriptor"));
}

TEST(Console, FullDiskIsAnError) {
    Command command(run_guest("hello"), Streams::pipes, "> /dev/full");
    EXPECT_EQ(command.status(), 4);
    EXPECT_THAT(command.errors(), HasSubstr("standard output: No space left on device"));
}

TEST(Console, FileSizeLimitIsAnError) {
    // The limit holds for the machine's memory files too, so it is large, and the file nearly as large.
    constexpr rlim_t limit = rlim_t{1} << 30;
    const auto path =
        std::filesystem::temp_directory_path() / ("softmetal-limit-" + std::to_string(getpid()));
    std::ofstream(path).close();
    std::filesystem::resize_file(path, limit - 2);
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limited{limit, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limited), 0);
    Command command(run_guest("hello"), Streams::pipes, ">> " + path.string());
    setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_EQ(command.status(), 4);
    EXPECT_EQ(std::filesystem::file_size(path), limit);
    EXPECT_THAT(command.errors(), HasSubstr("standard output: File too large"));
    std::filesystem::remove(path);
}

TEST(Console, ReaderThatLeavesEndsTheRun) {
    Command command(run_guest("echo"));
    ASSERT_TRUE(command.shows("ready"));
    command.close_output();
    command.type("F");
    EXPECT_EQ(command.status(), 4);
    EXPECT_THAT(command.errors(), HasSubstr("standard output: Broken pipe"));
}

TEST(Console, SlowReaderLosesNothing) {
    Command command(run_guest("echo"));
    command.type("F");
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));  // every buffer on the way fills up
    ASSERT_TRUE(command.shows("wxyz\n"));
    while (command.output().size() < 400'000) ASSERT_TRUE(command.shows("wxyz\n"));
    command.signal(SIGTERM);
    EXPECT_EQ(command.status(), 143);
    const std::string line = "0123456789abcdefghijklmnopqrstuvwxyz\n";
    for (std::size_t at = 6; at + line.size() <= command.output().size(); at += line.size())
        ASSERT_EQ(command.output().compare(at, line.size(), line), 0) << "at byte " << at;
}

TEST(Console, BlockedReaderDoesNotDelayTermination) {
    Command command(run_guest("echo"));
    command.type("F");
    std::this_thread::sleep_for(std::chrono::milliseconds(1000));
    command.signal(SIGTERM);
    // status() would read; a minute without that must not pass.
    const auto begun = std::chrono::steady_clock::now();
    ASSERT_TRUE(eventually([&] { return command.vm_process_id() == 0; }));
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
    EXPECT_EQ(command.status(), 143);
}

}  // namespace
}  // namespace softmetal
