#include "gdb_stub/packet.hpp"

#include "gdb_stub/hex.hpp"

#include <gtest/gtest.h>

namespace softmetal::gdb_stub {
namespace {

using Kind = PacketReader::Kind;

struct Packets : testing::Test {
    PacketReader reader;

    void feed(std::string_view text) { reader.feed({reinterpret_cast<const u8*>(text.data()), text.size()}); }
    Kind next_kind() {
        const auto input = reader.next();
        EXPECT_TRUE(input);
        return input ? input->kind : Kind::rejected;
    }
    std::string next_packet() {
        const auto input = reader.next();
        EXPECT_TRUE(input && input->kind == Kind::packet);
        return input ? input->payload : "";
    }
};

TEST_F(Packets, AreReadInTheOrderTheyCame) {
    feed("+$g#67$m1,2#fc");
    EXPECT_EQ(next_packet(), "g");
    EXPECT_EQ(next_packet(), "m1,2");
    EXPECT_FALSE(reader.next());
}

TEST_F(Packets, AreReadInPieces) {
    for (const char c : std::string("$qC#b")) {
        feed({&c, 1});
        EXPECT_FALSE(reader.next());
    }
    feed("4");
    EXPECT_EQ(next_packet(), "qC");
}

TEST_F(Packets, AWrongChecksumIsNoticed) {
    feed("$g#68$g#zz$g#67");
    EXPECT_EQ(next_kind(), Kind::damaged);
    EXPECT_EQ(next_kind(), Kind::damaged);
    EXPECT_EQ(next_packet(), "g");
}

TEST_F(Packets, CtrlCAndRejectionComeBetweenPackets) {
    feed("\x03-+$g#67");
    EXPECT_EQ(next_kind(), Kind::interrupt);
    EXPECT_EQ(next_kind(), Kind::rejected);
    EXPECT_EQ(next_packet(), "g");
}

TEST_F(Packets, EscapesAreUndone) {
    const std::string binary{"X\x03$#}*\x7d\0", 8};
    feed(frame_packet(binary));
    EXPECT_EQ(next_packet(), binary);
}

TEST_F(Packets, FramesEscapeWhatWouldEndThem) {
    EXPECT_EQ(frame_packet(""), "$#00");
    EXPECT_EQ(frame_packet("OK"), "$OK#9a");
    EXPECT_EQ(frame_packet("#"), "$}\x03#80");
}

TEST_F(Packets, OneThatIsTooLongIsSkipped) {
    feed("$" + std::string(3 * maximum_payload, 'a'));
    EXPECT_FALSE(reader.next());
    feed(std::string(1 << 20, 'a'));
    EXPECT_FALSE(reader.next());
    feed("#00$g#67");
    EXPECT_EQ(next_kind(), Kind::damaged);
    EXPECT_EQ(next_packet(), "g");
}

TEST(Hex, NumbersAreWholeOrNothing) {
    EXPECT_EQ(parse_hex("ffffffff81000000"), 0xffffffff81000000u);
    EXPECT_FALSE(parse_hex(""));
    EXPECT_FALSE(parse_hex("-1"));
    EXPECT_FALSE(parse_hex("0x1"));
    EXPECT_FALSE(parse_hex("12g"));
    EXPECT_FALSE(parse_hex("1ffffffffffffffff"));
}

TEST(Hex, BytesGoBothWays) {
    const std::vector<std::byte> bytes{std::byte{0x0f}, std::byte{0xa0}};
    EXPECT_EQ(bytes_to_hex(bytes), "0fa0");
    EXPECT_EQ(bytes_from_hex("0FA0"), bytes);
    EXPECT_FALSE(bytes_from_hex("0fa"));
    EXPECT_FALSE(bytes_from_hex("0fxx"));
}

}  // namespace
}  // namespace softmetal::gdb_stub
