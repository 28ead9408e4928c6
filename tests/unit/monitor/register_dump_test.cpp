// The register dump names what a person looks for.
#include "monitor/register_dump.hpp"

#include <gmock/gmock.h>

namespace softmetal::monitor {
namespace {

using ::testing::HasSubstr;

TEST(RegisterDump, ShowsRegistersByName) {
    CpuState state;
    state.gpr[x86::r13] = 0x1234;
    state.rip = 0xffffffff81000000;
    state.cr2 = 0xdeadbeef;
    state.seg(x86::Segment::gs).base = 0xffff888000000000;
    state.activity = Activity::shutdown;
    const std::string text = register_dump(state);
    EXPECT_THAT(text, HasSubstr("R13 0000000000001234"));
    EXPECT_THAT(text, HasSubstr("RIP ffffffff81000000"));
    EXPECT_THAT(text, HasSubstr("CR2 00000000deadbeef"));
    EXPECT_THAT(text, HasSubstr("GS   0000 base ffff888000000000"));
    EXPECT_THAT(text, HasSubstr("shut down"));
}

}  // namespace
}  // namespace softmetal::monitor
