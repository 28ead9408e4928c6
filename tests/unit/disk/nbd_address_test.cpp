#include "disk/nbd_address.hpp"

#include <gtest/gtest.h>

namespace softmetal::disk {
namespace {

NbdAddress parsed(std::string_view text) {
    const auto address = parse_nbd_address(text);
    EXPECT_TRUE(address.has_value()) << text;
    return address.value_or(NbdAddress{});
}

TEST(NbdAddress, OverTcp) {
    EXPECT_EQ(parsed("nbd://server"), (NbdAddress{"", "server", "10809", ""}));
    EXPECT_EQ(parsed("nbd://server/"), (NbdAddress{"", "server", "10809", ""}));
    EXPECT_EQ(parsed("nbd://server:1234/disk%20one/x"), (NbdAddress{"", "server", "1234", "disk one/x"}));
    EXPECT_EQ(parsed("nbd://[::1]:99/a"), (NbdAddress{"", "::1", "99", "a"}));
    EXPECT_EQ(parsed("nbd://[::1]"), (NbdAddress{"", "::1", "10809", ""}));
}

TEST(NbdAddress, OverASocketFile) {
    EXPECT_EQ(parsed("nbd+unix:///?socket=/tmp/a%2cb"), (NbdAddress{"/tmp/a,b", "", "", ""}));
    EXPECT_EQ(parsed("nbd+unix:///name?socket=s"), (NbdAddress{"s", "", "", "name"}));
}

TEST(NbdAddress, MistakesAreErrors) {
    for (const char* text : {"nbd:",
                             "nbd:unix:/x",
                             "nbds://server",
                             "nbd+vsock://1",
                             "nbd://",
                             "nbd:///x",
                             "nbd://h:0",
                             "nbd://h:65536",
                             "nbd://h:a",
                             "nbd://h:",
                             "nbd://h/%",
                             "nbd://h/%4",
                             "nbd://h/%zz",
                             "nbd://h/%00",
                             "nbd://h/?socket=x",
                             "nbd+unix:///x",
                             "nbd+unix://h/?socket=x",
                             "nbd+unix:///?socket=",
                             "nbd+unix:///?file=x",
                             "nbd://[::1",
                             "nbd://[::1]x"})
        EXPECT_FALSE(parse_nbd_address(text).has_value()) << text;
}

TEST(NbdAddress, FilesAreNone) {
    EXPECT_FALSE(is_nbd_address("nbd.img"));
    EXPECT_FALSE(is_nbd_address("./nbd:x"));
    EXPECT_TRUE(is_nbd_address("nbd://x"));
    EXPECT_TRUE(is_nbd_address("nbds://x"));
}

}  // namespace
}  // namespace softmetal::disk
