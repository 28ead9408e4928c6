// What the smaller processes tell each other, what viewers type, and addresses as they are written on a
// command line: whatever the bytes are, what is understood is understood the same after being sent on.
#include "bus/backends/input.hpp"
#include "disk/nbd_address.hpp"
#include "display/keyboard_translator.hpp"
#include "display/screen_link.hpp"
#include "display/vnc_process.hpp"
#include "input.hpp"
#include "network/network_process.hpp"

#include <map>

using namespace softmetal;

namespace {

void read_messages(std::span<const u8> bytes) {
    if (const auto request = network::decode_network_request(bytes)) {
        const auto again = network::decode_network_request(encode(*request));
        if (!again || again->nat.forwards != request->nat.forwards)
            fuzz::fail("forwards differ on their way");
    }
    if (const auto report = network::decode_network_report(bytes)) {
        const auto again = network::decode_network_report(encode(*report));
        if (!again || again->refused_defences.size() != report->refused_defences.size())
            fuzz::fail("a report differs on its way");
    }
    if (const auto request = display::decode_vnc_request(bytes)) {
        const auto again = display::decode_vnc_request(encode(*request));
        if (!again || again->password != request->password) fuzz::fail("a password differs on its way");
    }
}

void read_addresses(std::string_view text) {
    if (const auto forward = network::parse_port_forward(text)) {
        const auto again = network::parse_port_forward(to_string(*forward));
        if (!again || *again != *forward) fuzz::fail("a forward differs once written");
    }
    if (!disk::is_nbd_address(text)) return;
    const auto address = disk::parse_nbd_address(text);
    if (address && address->socket_path.empty() == address->host.empty()) fuzz::fail("an impossible address");
}

/// Cut anywhere, the same bytes are the same records.
void read_records(fuzz::Input& input) {
    const std::size_t first = input.take<u8>();
    const auto bytes = input.rest();
    display::RecordReader at_once, in_parts;
    std::vector<display::Record> records, others;
    const bool good = at_once.read(bytes, records);
    const std::size_t cut = std::min(first, bytes.size());
    const bool same = in_parts.read(bytes.first(cut), others) && in_parts.read(bytes.subspan(cut), others);
    if (good != same || records != others) fuzz::fail("records differ when they come in parts");
    for (const display::Record& record : records) {
        if (display::decode(encode(record)) != record) fuzz::fail("a record differs on its way");
        if (record.kind != display::Record::Kind::pointer) continue;
        const bus::PointerState state = display::pointer_state(record);
        if (display::pointer_record(state) != record) fuzz::fail("a pointer differs on its way");
    }
}

/// No key is left down, and none goes up that was not.
void type(fuzz::Input& input) {
    const auto names = display::KeyboardLayout::names();
    display::KeyboardTranslator translator(*display::KeyboardLayout::named(names[input.below(names.size())]));
    std::map<bus::Key, bool> down;
    const auto see = [&down](const std::vector<display::KeyEvent>& events) {
        for (const display::KeyEvent& e : events) down[e.key] = e.down;
    };
    while (!input.empty()) {
        const u8 how = input.take<u8>();
        const u32 keysym = how & 2   ? input.take<u16>()
                           : how & 4 ? 0xff00u | input.take<u8>()
                                     : input.take<u32>();
        see(translator.translate(keysym, how & 1));
    }
    see(translator.release_all());
    for (const auto& [key, is_down] : down)
        if (is_down) fuzz::fail("a key is left down");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    switch (input.below(4)) {
        case 0: read_messages(input.rest()); break;
        case 1: read_addresses(fuzz::as_text(input.rest())); break;
        case 2: read_records(input); break;
        default: type(input); break;
    }
    return 0;
}
