// `softmetal memory`: a running machine tells what memory it has, and takes a target.
#include "command.hpp"

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace softmetal {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

struct MemoryCommand : ::testing::Test {
    const std::string socket =
        (std::filesystem::temp_directory_path() / ("softmetal-memory-" + std::to_string(getpid()))).string();
    std::vector<std::string> memory(const std::vector<std::string>& more = {}) const {
        std::vector<std::string> all{"memory", "--control", socket};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }
    void TearDown() override { std::filesystem::remove(socket); }
};

TEST_F(MemoryCommand, ShowsWhatAGuestWithoutADriverHas) {
    Command machine(run_guest("echo", {"--control", socket}));
    ASSERT_TRUE(machine.shows("ready"));
    Command show(memory());
    EXPECT_EQ(show.status(), 0) << show.errors();
    EXPECT_THAT(show.output(), ContainsRegex("machine +[0-9.]+ MiB"));
    EXPECT_THAT(show.output(), ContainsRegex("balloon +0.0 MiB"));
    EXPECT_THAT(show.output(), ContainsRegex("free +unknown"));
    Command set(memory({"8M"}));
    EXPECT_EQ(set.status(), 0) << set.errors();
    EXPECT_TRUE(eventually([&] {
        Command again(memory());
        EXPECT_EQ(again.status(), 0);
        return again.output().find("target            8.0 MiB") != std::string::npos;
    }));
    machine.type("Q");
    EXPECT_EQ(machine.status(), 0);
}

TEST_F(MemoryCommand, SaysSoWhereNoMachineListens) {
    Command show(memory());
    EXPECT_NE(show.status(), 0);
    EXPECT_THAT(show.errors(), HasSubstr(socket));
    Command odd(memory({"much"}));
    EXPECT_EQ(odd.status(), 2);
    EXPECT_THAT(odd.errors(), HasSubstr("'much' is not an amount of memory"));
}

}  // namespace
}  // namespace softmetal
