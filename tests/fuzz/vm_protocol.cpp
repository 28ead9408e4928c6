// Messages between the parent and the VM process. The parent must survive whatever a VM process gone wrong
// sends; what is understood is understood the same after being sent on.
#include "input.hpp"
#include "machine/vm_process/protocol.hpp"

using namespace softmetal;
using namespace softmetal::machine;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const u8> bytes(data, size);
    (void)decode_command(bytes);
    if (const auto target = decode_memory_target(bytes))
        if (decode_memory_target(encode_memory_target(*target)) != target)
            fuzz::fail("a memory target changes on its way");
    if (const auto request = decode_start_request(bytes)) {
        const auto again = decode_start_request(encode(*request));
        if (!again || again->config.command_line != request->config.command_line ||
            again->descriptor_count() != request->descriptor_count())
            fuzz::fail("a start request changes on its way");
    }
    if (const auto status = decode_memory_status(bytes))
        if (decode_memory_status(encode(*status)) != status) fuzz::fail("a memory status changes on its way");
    constexpr std::size_t limit = 4096;
    if (const auto report = decode_end_report(bytes)) {
        const auto encoded = encode(*report, limit);
        const auto again = decode_end_report(encoded);
        if (!again || again->reason != report->reason || again->kind != report->kind)
            fuzz::fail("an end report changes on its way");
    }
    return 0;
}
