#include "network/network_process.hpp"

#include <gtest/gtest.h>
#include <string_view>

namespace softmetal::network {
namespace {

std::vector<u8> text(std::string_view t) { return {t.begin(), t.end()}; }

TEST(NetworkProtocol, CarriesARequest) {
    NetworkRequest request;
    request.nat = {.name_server = "192.0.2.1",
                   .forwards = {{"127.0.0.1", 2222, 22, false}, {"0.0.0.0", 53, 53, true}},
                   .boot_file = "http://10.0.2.2/boot"};
    request.has_capture = true;
    const auto got = decode_network_request(encode(request));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->nat.name_server, "192.0.2.1");
    EXPECT_EQ(got->nat.forwards, request.nat.forwards);
    EXPECT_EQ(got->nat.boot_file, "http://10.0.2.2/boot");
    EXPECT_TRUE(got->has_capture);
}

TEST(NetworkProtocol, CarriesAReport) {
    const auto got = decode_network_report(encode(NetworkReport{"no", {"a", "b"}}));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->error, "no");
    EXPECT_EQ(got->refused_defences, (std::vector<std::string>{"a", "b"}));
}

TEST(NetworkProtocol, RefusesAnythingElse) {
    for (const auto* bad : {"", "{", "[]", "{}", "null", "{\"error\":1,\"refused_defences\":[]}",
                            "{\"error\":\"\",\"refused_defences\":[1]}", "[[[[[[[[[[[[", "{\"error\":\"\"}"})
        EXPECT_FALSE(decode_network_report(text(bad))) << bad;
    for (const auto* bad : {"{}", "{\"name_server\":\"\",\"has_capture\":false,\"forwards\":[\"x\"]}",
                            "{\"name_server\":\"\",\"has_capture\":0,\"forwards\":[]}"})
        EXPECT_FALSE(decode_network_request(text(bad))) << bad;
}

}  // namespace
}  // namespace softmetal::network
