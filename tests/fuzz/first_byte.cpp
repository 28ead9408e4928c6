// Keeps the fuzzer to inputs that begin with one byte, which is how a target's inputs say what kind of device
// they are for: SOFTMETAL_FUZZ_FIRST_BYTE in the environment, see tools/fuzz. What is found is an input like
// any other.
#include "base/integers.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace {

std::optional<softmetal::u8> wanted_first_byte() {
    const char* const text = std::getenv("SOFTMETAL_FUZZ_FIRST_BYTE");
    softmetal::u8 byte = 0;
    if (!text || std::from_chars(text, text + std::strlen(text), byte).ec != std::errc{}) return {};
    return byte;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most,
                                               unsigned) {
    static const std::optional<softmetal::u8> wanted = wanted_first_byte();
    const std::size_t now = LLVMFuzzerMutate(data, size, most);
    if (wanted && now) data[0] = *wanted;
    return now;
}
