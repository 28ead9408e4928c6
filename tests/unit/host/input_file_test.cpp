#include "host/input_file.hpp"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace softmetal::host {
namespace {

using ::testing::HasSubstr;

class InputFile : public ::testing::Test {
 protected:
    std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("softmetal-input-" + std::to_string(getpid()));
    void SetUp() override { std::filesystem::create_directory(folder); }
    void TearDown() override { std::filesystem::remove_all(folder); }
    std::string file(const std::string& name, const std::string& contents) const {
        std::ofstream(folder / name, std::ios::binary) << contents;
        return folder / name;
    }
};

TEST_F(InputFile, OpensAndReadsWhole) {
    const auto path = file("a", std::string(10'000, 'x') + "end");
    const auto fd = open_input_file("kernel", path, FileAccess::read);
    ASSERT_TRUE(fd.has_value());
    ASSERT_EQ(lseek(fd->get(), 5000, SEEK_SET), 5000);  // the position does not matter
    const auto bytes = read_whole_file(fd->get(), 20'000, "kernel");
    ASSERT_TRUE(bytes.has_value());
    ASSERT_EQ(bytes->size(), 10'003u);
    EXPECT_EQ((*bytes)[10'002], std::byte{'d'});
}

TEST_F(InputFile, WhatCannotBeOpenedIsSaidInASentence) {
    const auto message = [](const std::string& path, FileAccess access = FileAccess::read) {
        const auto fd = open_input_file("kernel", path, access);
        return fd ? std::string("opened") : fd.error().message;
    };
    EXPECT_EQ(message("/nonexistent"), "cannot open kernel '/nonexistent': No such file or directory");
    EXPECT_THAT(message(folder), HasSubstr("is a directory"));
    EXPECT_THAT(message(folder, FileAccess::read_write), HasSubstr("is a directory"));
    EXPECT_THAT(message("/dev/zero"), HasSubstr("neither a file nor a block device"));
    EXPECT_THAT(message(""), HasSubstr("empty"));
    const std::string pipe = folder / "pipe";
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_THAT(message(pipe),
                HasSubstr("neither a file nor a block device"));  // at once, not when written to
}

TEST_F(InputFile, TooLongIsRefusedBeforeReading) {
    const auto fd = open_input_file("initrd", file("a", "12345"), FileAccess::read);
    EXPECT_TRUE(read_whole_file(fd->get(), 5, "initrd").has_value());
    EXPECT_FALSE(read_whole_file(fd->get(), 4, "initrd").has_value());
}

TEST_F(InputFile, WritersExcludeEverybodyReadersOnlyWriters) {
    const auto path = file("disk", "x");
    const auto first = open_input_file("disk", path, FileAccess::read_write);
    const auto second = open_input_file("disk", path, FileAccess::read);
    ASSERT_TRUE(lock_file(first->get(), false, "disk", path).has_value());
    EXPECT_TRUE(lock_file(second->get(), false, "disk", path).has_value());
    EXPECT_FALSE(lock_file(second->get(), true, "disk", path).has_value());
}

TEST(HostMemory, IsPlausible) {
    EXPECT_GT(host_memory_bytes(), u64{64} << 20);
    EXPECT_LT(host_memory_bytes(), u64{1} << 50);
}

}  // namespace
}  // namespace softmetal::host
