#include "machine/vm_process/protocol.hpp"

#include <gtest/gtest.h>

namespace softmetal::machine {
namespace {

std::vector<u8> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

TEST(Protocol, StartRequestArrivesAsItWasSent) {
    const StartRequest sent{
        .config = {.memory_bytes = 1 << 30,
                   .cpus = 3,
                   .mode = Mode::interpret,
                   .lockstep = true,
                   .command_line = "console=ttyS0 name=\xff\xfe",
                   .debug_exit_port = 0xf4,
                   .test_device = true,
                   .boot = BootDevice::network,
                   .boot_menu = true,
                   .kernel_by_firmware = true,
                   .kernel_name = "vmlinuz"},
        .has_firmware = true,
        .has_video_bios = true,
        .has_network_rom = true,
        .has_kernel = true,
        .has_initrd = true,
        .has_debug_console = true,
        .firmware_files = {"opt/a"},
        .disks = {{"a.img", true}, {"b.img", false, StartRequest::Disk::Attachment::cdrom, "export"}},
        .debugger = StartRequest::Debugger::awaited,
        .has_viewer = true,
        .network_cards = {{NetworkCardModel::e1000, {2, 0, 0, 0, 0, 255}}},
        .terminal = std::nullopt,
        .serial_lines = {{StartRequest::SerialLine::Port::virtio, StartRequest::SerialLine::Kind::file},
                         {StartRequest::SerialLine::Port::com2, StartRequest::SerialLine::Kind::socket}}};
    const auto got = decode_start_request(encode(sent));
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->config.memory_bytes, sent.config.memory_bytes);
    EXPECT_EQ(got->config.cpus, 3u);
    EXPECT_EQ(got->config.mode, Mode::interpret);
    EXPECT_TRUE(got->config.lockstep);
    EXPECT_EQ(got->config.command_line, sent.config.command_line);
    EXPECT_EQ(got->config.debug_exit_port, 0xf4);
    EXPECT_TRUE(got->config.test_device);
    EXPECT_EQ(got->config.boot, BootDevice::network);
    EXPECT_TRUE(got->config.boot_menu);
    EXPECT_TRUE(got->config.kernel_by_firmware);
    EXPECT_EQ(got->config.kernel_name, "vmlinuz");
    EXPECT_TRUE(got->has_firmware && got->has_video_bios && got->has_network_rom && got->has_kernel &&
                got->has_initrd && got->has_debug_console);
    EXPECT_EQ(got->debugger, StartRequest::Debugger::awaited);
    ASSERT_EQ(got->disks.size(), 2u);
    EXPECT_EQ(got->disks[0].name, "a.img");
    EXPECT_EQ(got->disks[0].attachment, StartRequest::Disk::Attachment::virtio);
    EXPECT_EQ(got->disks[1].attachment, StartRequest::Disk::Attachment::cdrom);
    EXPECT_TRUE(got->disks[0].read_only);
    EXPECT_EQ(got->firmware_files, sent.firmware_files);
    EXPECT_EQ(got->disks[0].nbd_export, std::nullopt);
    EXPECT_EQ(got->disks[1].nbd_export, "export");
    EXPECT_TRUE(got->has_viewer);
    EXPECT_EQ(got->network_cards, sent.network_cards);
    EXPECT_EQ(got->serial_lines, sent.serial_lines);
    EXPECT_FALSE(got->terminal.has_value());
    EXPECT_EQ(got->descriptor_count(), 15u);
    EXPECT_EQ(decode_start_request(encode(StartRequest{}))->terminal, StartRequest::SerialLine::Port::com1);
}

TEST(Protocol, MemoryTargetsArriveAsTheyWereSent) {
    EXPECT_EQ(decode_memory_target(encode_memory_target(0x123456789abcdef0)), 0x123456789abcdef0u);
    EXPECT_FALSE(decode_memory_target(encode(Command::stop)));
    EXPECT_FALSE(decode_command(encode_memory_target(1)));
}

TEST(Protocol, MemoryStatusArrivesAsItWasSent) {
    const MemoryStatus whole{.ram = ~u64{0},
                             .target = 2,
                             .balloon = 3,
                             .reclaimed = 4,
                             .guest_total = 5,
                             .guest_available = 6,
                             .guest_free = 7};
    EXPECT_EQ(decode_memory_status(encode(whole)), whole);
    const MemoryStatus silent{.ram = 1};
    EXPECT_EQ(decode_memory_status(encode(silent)), silent);
    EXPECT_FALSE(decode_end_report(encode(whole)));
    EXPECT_FALSE(decode_memory_status(encode(EndReport{}, 65536)));
    const char* const negative =
        R"({"memory":{"ram":-1,"target":0,"balloon":0,"reclaimed":0,"guest_total":null,
                                     "guest_available":null,"guest_free":null}})";
    for (const char* bad : {"", "{", "[]", R"({"memory":null})", R"({"memory":{"ram":1}})", negative})
        EXPECT_FALSE(decode_memory_status(bytes_of(bad))) << bad;
}

TEST(Protocol, EndReportArrivesAsItWasSent) {
    const EndReport sent{.kind = EndReport::Kind::ended,
                         .reason = EndReason::triple_fault,
                         .detail = "RIP=1\nRSP=2",
                         .exit_value = 7,
                         .statistics = {{"total", {{"halts", 7}}}},
                         .refused_defences = {"no"},
                         .failures = {"disk"}};
    const auto got = decode_end_report(encode(sent, 65536));
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->reason, EndReason::triple_fault);
    EXPECT_EQ(got->detail, sent.detail);
    EXPECT_EQ(got->exit_value, 7u);
    EXPECT_EQ(got->statistics, sent.statistics);
    EXPECT_EQ(got->refused_defences, sent.refused_defences);
    EXPECT_EQ(got->failures, sent.failures);
}

TEST(Protocol, LongReportsLoseStatisticsFirst) {
    EndReport report{.reason = EndReason::reset, .detail = "why", .statistics = {{"total", 1}}};
    report.statistics["cpus"] = std::string(2000, 'x');
    auto got = decode_end_report(encode(report, 1000));
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->statistics["total"], 1);
    EXPECT_FALSE(got->statistics.contains("cpus"));

    report.detail = std::string(5000, 'y');
    const auto encoded = encode(report, 1000);
    EXPECT_LE(encoded.size(), 1000u);
    got = decode_end_report(encoded);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->reason, EndReason::reset);
}

TEST(Protocol, CommandsAreChecked) {
    EXPECT_EQ(decode_command(encode(Command::stop)), Command::stop);
    EXPECT_EQ(decode_command(encode(Command::press_power_button)), Command::press_power_button);
    EXPECT_EQ(decode_command(encode(Command::attach_debugger)), Command::attach_debugger);
    EXPECT_FALSE(decode_command(std::vector<u8>{}).has_value());
    EXPECT_FALSE(decode_command(std::vector<u8>{0}).has_value());
    EXPECT_EQ(decode_command(encode(Command::attach_viewer)), Command::attach_viewer);
    EXPECT_EQ(decode_command(encode(Command::report_memory)), Command::report_memory);
    EXPECT_FALSE(decode_command(std::vector<u8>{6}).has_value());
    EXPECT_FALSE(decode_command(std::vector<u8>{1, 1}).has_value());
}

TEST(Protocol, HostileReportsAreRefused) {
    const std::string complete =
        R"({"kind":0,"reason":0,"detail":"","exit_value":0,"statistics":null,"refused_defences":[],"failures":[]})";
    ASSERT_TRUE(decode_end_report(bytes_of(complete)).has_value());
    for (std::size_t length = 0; length < complete.size(); ++length)
        EXPECT_FALSE(decode_end_report(bytes_of(complete.substr(0, length))).has_value());
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string text = complete;
        text.replace(text.find(from), from.size(), to);
        return bytes_of(text);
    };
    EXPECT_FALSE(decode_end_report(with("\"kind\":0", "\"kind\":3")).has_value());
    EXPECT_FALSE(decode_end_report(with("\"reason\":0", "\"reason\":99")).has_value());
    EXPECT_FALSE(decode_end_report(with("\"reason\":0", "\"reason\":-1")).has_value());
    EXPECT_FALSE(decode_end_report(with("\"reason\":0", "\"reason\":\"x\"")).has_value());
    EXPECT_FALSE(decode_end_report(with("\"exit_value\":0", "\"exit_value\":[]")).has_value());
    EXPECT_FALSE(decode_end_report(with("\"exit_value\":0", "\"exit_value\":1e300")).has_value());
    EXPECT_FALSE(decode_end_report(with("\"exit_value\":0", "\"exit_value\":4294967296")).has_value());
    EXPECT_FALSE(decode_end_report(with("\"reason\":0", "\"reason\":1.0")).has_value());
    EXPECT_FALSE(decode_end_report(with("\"reason\":0", "\"reason\":1e300")).has_value());
    EXPECT_FALSE(decode_end_report(with("\"detail\":\"\"", "\"detail\":{}")).has_value());
    EXPECT_FALSE(decode_end_report(with("\"failures\":[]", "\"failures\":[1]")).has_value());
}

TEST(Protocol, DeepNestingDoesNotExhaustTheStack) {
    const std::string deep = std::string(30'000, '[') + std::string(30'000, ']');
    const std::string text =
        R"({"kind":0,"reason":0,"detail":"","refused_defences":[],"failures":[],"statistics":)" + deep + "}";
    const auto got = decode_end_report(bytes_of(text));
    // Refused, or cut to a depth that writing it out again can bear.
    if (got) {
        EXPECT_LT(got->statistics.dump().size(), 100u);
    }
}

}  // namespace
}  // namespace softmetal::machine
