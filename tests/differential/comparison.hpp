// Where two outcomes of one case differ, and which of that the manuals leave undefined.
#pragma once

#include "base/result.hpp"
#include "encoding.hpp"
#include "test_case.hpp"

#include <string>
#include <unordered_map>
#include <vector>

namespace softmetal::differential {

struct Difference {
    std::string where;
    std::string native, engine;
};

/// What may differ.
struct Allowance {
    u64 flags = 0;            // bits of RFLAGS
    bool dead_flags = false;  // those that the instruction overwrites
    bool mxcsr = false;
    bool x87 = false;  // the registers, control, status and tags
    bool fdp = false;
    bool vectors = false;
    bool memory = false;
    bool cr2 = false, cr2_offset = false;  // the offset: where in the page
    bool rip = false, rsp = false;
    bool gprs = false;
    bool x87_pointers = false;  // FIP and FOP
    void add(const Allowance& other);
};

/// undefined_results.txt: what the manuals leave undefined or to the processor, and where an engine is known
/// to deviate.
class UndefinedResults {
 public:
    /// The lines that hold for `engine` on this host.
    [[nodiscard]] static Result<UndefinedResults> load(const std::string& path, const std::string& engine);
    [[nodiscard]] Allowance allowance(const std::string& mnemonic, bool faulted) const;

 private:
    using Table = std::unordered_map<std::string, Allowance>;
    Table always_, faulting_;
};

[[nodiscard]] std::vector<Difference> compare(const Outcome& native, const Outcome& engine,
                                              const Allowance& allowed);

/// Disassembly, bytes, inputs, both results.
[[nodiscard]] std::string describe(const TestCase& test, const std::vector<Difference>& differences);

}  // namespace softmetal::differential
