// Runs a case on the host CPU.
//
// Signal frames do the loading and the saving: one INT3 enters the handler, which puts the case's registers
// into the frame and returns into the instruction; the exception that ends the case brings them back the same
// way.
#pragma once

#include "base/result.hpp"
#include "test_case.hpp"

#include <memory>

namespace softmetal::differential {

class NativeRunner {
 public:
    /// One at a time in a process. Fails where the addresses of `layout` are taken, or the host's kernel has
    /// no 32-bit code, local descriptors or FSGSBASE and `local_segments` asks for them.
    [[nodiscard]] static Result<std::unique_ptr<NativeRunner>> create(bool local_segments);
    /// Does the host let this process have segments of its own, and 32-bit and 16-bit code in them?
    [[nodiscard]] static Result<> can_have_local_segments();
    ~NativeRunner();

    void run(const TestCase& test, Outcome& outcome);

 private:
    explicit NativeRunner(u8* writable) : writable_(writable) {}
    u8* writable_;  // the pages of `layout` once more, all of them writable
};

}  // namespace softmetal::differential
