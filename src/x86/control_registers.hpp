// CR0, CR4, EFER, XCR0 and DR6 (SDM vol. 3, ch. 2.5, 2.6, 2.2.1 and 17.2.3).
#pragma once

#include "base/bits.hpp"

namespace softmetal::x86 {

namespace cr0 {
inline constexpr u64 pe = bit(0), mp = bit(1), em = bit(2), ts = bit(3), et = bit(4), ne = bit(5),
                     wp = bit(16), am = bit(18), nw = bit(29), cd = bit(30), pg = bit(31);
inline constexpr u64 implemented = pe | mp | em | ts | et | ne | wp | am | nw | cd | pg;
}  // namespace cr0

namespace cr4 {
inline constexpr u64 vme = bit(0), pvi = bit(1), tsd = bit(2), de = bit(3), pse = bit(4), pae = bit(5),
                     mce = bit(6), pge = bit(7), pce = bit(8), osfxsr = bit(9), osxmmexcpt = bit(10),
                     umip = bit(11), la57 = bit(12), vmxe = bit(13), smxe = bit(14), fsgsbase = bit(16),
                     pcide = bit(17), osxsave = bit(18), smep = bit(20), smap = bit(21), pke = bit(22);
}  // namespace cr4

namespace efer {
inline constexpr u64 sce = bit(0), lme = bit(8), lma = bit(10), nxe = bit(11);
inline constexpr u64 implemented = sce | lme | lma | nxe;
}  // namespace efer

namespace xcr0 {
inline constexpr u64 x87 = bit(0), sse = bit(1), avx = bit(2);
}  // namespace xcr0

namespace dr6 {
inline constexpr u64 single_step = bit(14);
}  // namespace dr6

namespace cr3 {
inline constexpr u64 pcid = 0xfff;
inline constexpr u64 no_flush = bit(63);  // only with CR4.PCIDE; reads as 0
}  // namespace cr3

}  // namespace softmetal::x86
