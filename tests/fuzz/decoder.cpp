// Any bytes in any mode: an instruction's length is within the limits, and its own bytes alone say the same.
#include "decoder/decoder.hpp"

#include "input.hpp"

using namespace softmetal;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const std::span<const u8> bytes = input.take_bytes(16);
    for (const unsigned mode : {2u, 4u, 8u}) {
        const auto decoded = decode(bytes, mode);
        if (!decoded) continue;
        const Instruction& i = *decoded;
        if (i.length == 0 || i.length > 15 || i.length > bytes.size()) fuzz::fail("impossible length");
        const auto alone = decode(bytes.first(i.length), mode);
        if (!alone || alone->length != i.length || alone->mnemonic != i.mnemonic ||
            alone->flags_read != i.flags_read || alone->flags_written != i.flags_written)
            fuzz::fail("its own bytes mean something else");
        if (decode(bytes.first(i.length - 1u), mode)) fuzz::fail("a part of it is an instruction too");
    }
    return 0;
}
