#include "network/name_server.hpp"

#include <gtest/gtest.h>

namespace softmetal::network {
namespace {

TEST(NameServer, IsTheFirstThatOthersCanAsk) {
    EXPECT_EQ(choose_name_server("# none\nsearch example.org\nnameserver 9.9.9.9\nnameserver 1.1.1.1\n", ""),
              "9.9.9.9");
    EXPECT_EQ(choose_name_server("nameserver ::1\nnameserver 127.0.0.1\n nameserver\t192.0.2.1 # office", ""),
              "192.0.2.1");
}

TEST(NameServer, IsTheOneBehindALocalResolver) {
    EXPECT_EQ(choose_name_server("nameserver 127.0.0.53\n", "nameserver 192.0.2.7\n"), "192.0.2.7");
}

TEST(NameServer, IsTheHostWhereItAsksItself) {
    EXPECT_EQ(choose_name_server("nameserver 127.0.0.1\n", ""), "10.0.2.2");
}

TEST(NameServer, IsNobodyWhereNobodyIsNamed) {
    EXPECT_EQ(choose_name_server("", ""), "");
    EXPECT_EQ(choose_name_server("nameserver\noptions edns0\n", ""), "");
}

}  // namespace
}  // namespace softmetal::network
