#include "network/port_forward.hpp"

#include <gmock/gmock.h>

namespace softmetal::network {
namespace {

using ::testing::HasSubstr;

TEST(PortForwards, AreAPairOfPorts) {
    EXPECT_EQ(parse_port_forward("2222:22"), (PortForward{"127.0.0.1", 2222, 22, false}));
    EXPECT_EQ(parse_port_forward("0.0.0.0:80:8080/tcp"), (PortForward{"0.0.0.0", 80, 8080, false}));
    EXPECT_EQ(parse_port_forward("10.1.2.3:65535:1/udp"), (PortForward{"10.1.2.3", 65535, 1, true}));
}

TEST(PortForwards, AreWrittenAsTheyAreRead) {
    for (const auto* text : {"127.0.0.1:2222:22", "0.0.0.0:53:5353/udp"})
        EXPECT_EQ(to_string(*parse_port_forward(text)), text);
}

TEST(PortForwards, SayWhatIsWrongWithThem) {
    const auto error = [](std::string_view text) {
        const auto forward = parse_port_forward(text);
        return forward ? "accepted" : forward.error().message;
    };
    for (const auto* text :
         {"0:22", "22:0", "65536:22", "22:65536", "a:22", "22:", ":22", "-1:22", "22:1x", "+1:2"})
        EXPECT_THAT(error(text), HasSubstr("1 to 65535")) << text;
    for (const auto* text :
         {"1.2.3:1:2", "1.2.3.256:1:2", "localhost:1:2", ":1:2", "1.2.3.4.5:1:2", "1.2..4:1:2"})
        EXPECT_THAT(error(text), HasSubstr("not an IPv4 address")) << text;
    EXPECT_THAT(error("22"), HasSubstr("HOST-PORT:GUEST-PORT"));
    EXPECT_THAT(error(""), HasSubstr("HOST-PORT:GUEST-PORT"));
    EXPECT_THAT(error("1:2/sctp"), HasSubstr("tcp or udp"));
}

}  // namespace
}  // namespace softmetal::network
