// One small program, both engines, the same end.
#pragma once

#include "small_guest.hpp"

namespace softmetal::testing {

/// Runs the program in both engines and compares registers, vectors and the data page.
inline void same_in_both(const std::function<void(SmallGuest::Assembler&)>& program,
                         SmallGuest::Code kind = SmallGuest::Code::bits64,
                         const std::function<void(SmallGuest&)>& prepare = {},
                         const std::function<void(SmallGuest&)>& look_at_translated = {}) {
    SmallGuest reference(program, kind), translated(program, kind);
    if (prepare) prepare(reference), prepare(translated);
    reference.run_interpreted();
    translated.run_translated();
    ASSERT_NE(reference.vcpu.state.activity, Activity::running);
    ASSERT_EQ(reference.vcpu.state.activity, translated.vcpu.state.activity);
    EXPECT_EQ(reference.vector(), translated.vector());
    EXPECT_EQ(reference.vcpu.state.rip, translated.vcpu.state.rip);
    for (unsigned n = 0; n < 16; n++)
        EXPECT_EQ(reference.vcpu.state.gpr[n], translated.vcpu.state.gpr[n]) << n;
    EXPECT_EQ(std::memcmp(&reference.at<u8>(SmallGuest::data), &translated.at<u8>(SmallGuest::data), 0x10000),
              0);
    EXPECT_EQ(std::memcmp(&reference.vcpu.state.extended.xmm, &translated.vcpu.state.extended.xmm, 256), 0);
    EXPECT_GT(translated.vcpu.counters.blocks_translated, 0u);
    if (look_at_translated) look_at_translated(translated);
}

}  // namespace softmetal::testing
