// What a user gets to read who asks for something impossible: one sentence, exit status 2, and no machine.
#include "command.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace softmetal {
namespace {

using ::testing::HasSubstr;

struct Mistake {
    const char* name;
    std::vector<std::string> arguments;
    const char* message;
};

// The tests of this file run as processes beside each other and make the same files: a file appears whole or
// not at all. `size`, where given, lengthens it by a hole.
std::filesystem::path test_file(const std::string& name, const std::string& contents,
                                std::uintmax_t size = 0) {
    const auto path = std::filesystem::temp_directory_path() / ("softmetal-usage-" + name);
    const auto unfinished = path.string() + "." + std::to_string(::getpid());
    std::ofstream(unfinished, std::ios::binary) << contents;
    if (size != 0) std::filesystem::resize_file(unfinished, size);
    std::filesystem::rename(unfinished, path);
    return path;
}

/// An assembled guest without its last paragraph: of that, a part may be missing.
std::string truncated_guest() {
    std::ifstream file(run_guest("hello")[2], std::ios::binary);
    std::string contents{std::istreambuf_iterator<char>(file), {}};
    contents.resize(contents.size() - std::min<std::size_t>(contents.size(), 17));
    return contents;
}

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

std::string name_of_mistake(const ::testing::TestParamInfo<Mistake>& tested) { return tested.param.name; }

/// Where the VNC mistakes would listen if they were none.
const std::string nowhere = "unix:/nonexistent/vnc";

class UsageMistake : public ::testing::TestWithParam<Mistake> {};

TEST_P(UsageMistake, IsOneSentenceAndStatusTwo) {
    Command command(GetParam().arguments);
    EXPECT_EQ(command.status(), 2);
    EXPECT_THAT(command.errors(), HasSubstr(GetParam().message));
    EXPECT_EQ(std::ranges::count(command.errors(), '\n'), 1) << command.errors();
    EXPECT_EQ(command.output(), "");
}

INSTANTIATE_TEST_SUITE_P(
    CommandLine, UsageMistake,
    ::testing::Values(
        Mistake{"nothing", {}, "subcommand is required"}, Mistake{"unknown_command", {"walk"}, "walk"},
        Mistake{"vnc_address", run_guest("hello", {"--vnc", "here:there"}),
                "--vnc: 'here:there' is not PORT"},
        Mistake{"vnc_file", run_guest("hello", {"--vnc", nowhere}), "--vnc: cannot listen on"},
        Mistake{"vnc_password_for_nothing", run_guest("hello", {"--vnc-password-file", "secret"}),
                "--vnc-password-file requires --vnc"},
        Mistake{"vnc_password_missing",
                run_guest("hello", {"--vnc", nowhere, "--vnc-password-file", "/nonexistent/secret"}),
                "--vnc-password-file: cannot read '/nonexistent/secret'"},
        Mistake{"vnc_password_too_long",
                run_guest("hello", {"--vnc", nowhere, "--vnc-password-file",
                                    test_file("password", "ninechars\n").string()}),
                "a VNC password has 1 to 8 characters"},
        Mistake{"keyboard", run_guest("hello", {"--vnc", nowhere, "--keyboard", "fr"}),
                "--keyboard: 'fr' is not one of us, de"},
        Mistake{"control", run_guest("hello", {"--control", "/nonexistent/control"}),
                "--control: cannot listen"},
        Mistake{"last_picture", run_guest("hello", {"--screenshot", "/nonexistent/last.png"}),
                "--screenshot: cannot write to '/nonexistent/last.png'"},
        Mistake{
            "screenshot_of_what", {"screenshot"}, "FILE is required (softmetal screenshot --help explains)"},
        Mistake{"cpu_model", run_guest("hello", {"--cpu", "z80"}), "there is no processor model 'z80'"},
        Mistake{"cpu_without_long_mode", run_guest("hello", {"--cpu", "pentium3"}),
                "begins in 64-bit mode, which the processor model pentium3"},
        Mistake{"gdb_address", run_guest("hello", {"--gdb", "nowhere"}), "'nowhere' is not PORT"},
        Mistake{"gdb_wait_alone", run_guest("hello", {"--gdb-wait"}), "--gdb"},
        Mistake{"unknown_option", run_guest("hello", {"--fast"}), "--fast"},
        Mistake{"stray_word", run_guest("hello", {"there"}), "there"},
        Mistake{"disk_interface", run_guest("hello", {"--disk", "x,if=scsi"}), "if=scsi"},
        Mistake{"boot_device", {"run", "--boot", "tape"}, "not one of disk, cdrom, floppy"},
        Mistake{"two_images", {"run", "a", "b"}, "b"},
        Mistake{"image_missing", {"run", "/nonexistent"}, "cannot open image '/nonexistent'"},
        Mistake{
            "cdrom_missing", {"run", "--cdrom", "/nonexistent"}, "cannot open CD-ROM image '/nonexistent'"},
        Mistake{"initrd_without_kernel", {"run", "--initrd", "x"}, "--kernel"},
        Mistake{"firmware_for_kernel_missing", run_guest("hello", {"--firmware", "/nonexistent"}),
                "cannot open firmware '/nonexistent'"},
        Mistake{"kernel_in_real_mode_without_firmware",
                run_guest("hello_real_mode", {"--firmware", test_file("short", "BIOS")}),
                "multiple of 64 KiB"},
        Mistake{
            "firmware_missing", {"run", "--firmware", "/nonexistent"}, "cannot open firmware '/nonexistent'"},
        Mistake{"firmware_size", {"run", "--firmware", test_file("short", "BIOS")}, "multiple of 64 KiB"},
        Mistake{"missing_value", run_guest("hello", {"--append"}), "--append"},
        Mistake{"mode", run_guest("hello", {"--mode", "warp"}), "not one of auto, interpret, translate"},
        Mistake{"on_reset", run_guest("hello", {"--on-reset", "maybe"}), "not one of restart, exit"},
        Mistake{"no_cpus", run_guest("hello", {"--cpus", "0"}), "--cpus"},
        Mistake{"many_cpus", run_guest("hello", {"--cpus", "1000"}), "--cpus"},
        Mistake{"words_for_cpus", run_guest("hello", {"--cpus", "two"}), "--cpus"},
        Mistake{"long_command_line", run_guest("hello", {"--append", std::string(5000, 'x')}), "--append"},
        Mistake{"command_line_the_kernel_refuses", run_guest("hello", {"--append", std::string(300, 'x')}),
                "command line"},
        Mistake{"by_hand", {"vm-process"}, "not by hand"},
        Mistake{"debug_exit_word", run_guest("hello", {"--debug-exit=x"}), "'x' is not a port number"},
        Mistake{"debug_exit_taken", run_guest("hello", {"--debug-exit=0x60"}), "another device"},
        Mistake{"debug_exit_beyond", run_guest("hello", {"--debug-exit=0xffff"}), "0xffff"},
        Mistake{"statistics_nowhere", run_guest("hello", {"--stats=/nonexistent/file"}), "--stats"}),
    name_of_mistake);

INSTANTIATE_TEST_SUITE_P(
    Memory, UsageMistake,
    ::testing::Values(Mistake{"unit", {"run", "--kernel", "x", "--memory", "1Q"}, "'1Q' is not an amount"},
                      Mistake{"negative", {"run", "--kernel", "x", "--memory", "-1G"}, "-1G"},
                      Mistake{"nothing", {"run", "--kernel", "x", "--memory", ""}, "--memory"},
                      Mistake{"little", {"run", "--kernel", "x", "--memory", "1M"}, "the least is 4M"},
                      Mistake{"much", {"run", "--kernel", "x", "--memory", "900T"}, "more than this host's"},
                      Mistake{"overflow", {"run", "--kernel", "x", "--memory", "99999999999T"}, "too much"},
                      Mistake{"odd", {"run", "--kernel", "x", "--memory", "8388609"}, "whole number"}),
    name_of_mistake);

INSTANTIATE_TEST_SUITE_P(
    Files, UsageMistake,
    ::testing::Values(
        Mistake{"kernel_missing", {"run", "--kernel", "/nonexistent"}, "cannot open kernel '/nonexistent'"},
        Mistake{"kernel_empty_name", {"run", "--kernel", ""}, "empty"},
        Mistake{"kernel_directory", {"run", "--kernel", "/"}, "kernel '/' is a directory"},
        Mistake{"kernel_device", {"run", "--kernel", "/dev/null"}, "neither a file nor a block device"},
        Mistake{
            "kernel_text", {"run", "--kernel", test_file("text", "hello\n")}, "neither a Linux bzImage nor"},
        Mistake{"kernel_empty", {"run", "--kernel", test_file("empty", "")}, "kernel"},
        Mistake{"kernel_large",
                {"run", "--kernel", test_file("large", "", 5 << 20), "--memory", "4M"},
                "does not fit"},
        Mistake{"kernel_truncated",
                {"run", "--kernel", test_file("truncated", truncated_guest())},
                "the kernel is truncated"},
        Mistake{"initrd_larger_than_memory",
                run_guest("hello", {"--initrd", test_file("initrd", "", 17 << 20)}),
                "the initrd of 17825792 bytes does not fit into the guest's 16777216 bytes of memory"},
        Mistake{"initrd_too_large_beside_the_kernel",
                run_guest("hello", {"--initrd", test_file("close", "", 16 << 20)}),
                "does not fit into guest memory beside the kernel"},
        Mistake{"initrd_missing", run_guest("hello", {"--initrd", "/nonexistent"}), "initrd '/nonexistent'"},
        Mistake{"disk_missing", run_guest("hello", {"--disk", "/nonexistent"}), "disk '/nonexistent'"},
        Mistake{"disk_directory", run_guest("hello", {"--disk", "/tmp"}), "disk '/tmp' is a directory"},
        Mistake{"disk_odd", run_guest("hello", {"--disk", test_file("odd", "hello\n")}), "multiple of 512"},
        Mistake{"disk_empty", run_guest("hello", {"--disk", test_file("empty", "")}), "empty"}),
    name_of_mistake);

TEST(Usage, DiskInUseIsRefused) {
    const auto disk = test_file("disk", std::string(512, '\0'));
    Command first(run_guest("sleep_forever", {"--disk", disk}));
    ASSERT_TRUE(eventually([&] { return first.vm_process_id() != 0; }));
    Command second(run_guest("hello", {"--disk", disk}));
    EXPECT_EQ(second.status(), 2);
    EXPECT_THAT(second.errors(), HasSubstr("in use by another virtual machine"));
}

TEST(Usage, ReadOnlyDiskIsShared) {
    const auto disk = test_file("shared", std::string(512, '\0'));
    Command command(
        run_guest("hello", {"--disk", disk.string() + ",readonly", "--disk", disk.string() + ",readonly"}));
    EXPECT_EQ(command.status(), 0) << command.errors();
}

TEST(Usage, HelpTeaches) {
    Command command({"run", "--help"});
    EXPECT_EQ(command.status(), 0);
    EXPECT_THAT(command.output(), HasSubstr("Exit status:"));
    EXPECT_THAT(command.output(), HasSubstr("Examples:"));
    EXPECT_EQ(command.errors(), "");
}

TEST(Usage, VersionIsOneLine) {
    Command command({"--version"});
    EXPECT_EQ(command.status(), 0);
    EXPECT_THAT(command.output(), ::testing::MatchesRegex("softmetal [0-9.]+\n"));
}

TEST(Usage, HelpThatNobodyCanReadIsAFailure) {
    Command command({"--help"}, Streams::pipes, "> /dev/full");
    EXPECT_EQ(command.status(), 4);
}

TEST(Screenshot, NeedsAMachine) {
    Command command({"screenshot", "--control", "/nonexistent/control", "picture.png"});
    EXPECT_EQ(command.status(), 4);
    EXPECT_THAT(command.errors(), HasSubstr("cannot connect to '/nonexistent/control'"));
    EXPECT_EQ(std::ranges::count(command.errors(), '\n'), 1) << command.errors();
}

}  // namespace
}  // namespace softmetal
