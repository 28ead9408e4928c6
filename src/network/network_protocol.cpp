#include "base/json_message.hpp"
#include "network/network_process.hpp"

namespace softmetal::network {

namespace {

using nlohmann::json;

using json_message::checked_read;
using json_message::write_text;

}  // namespace

std::vector<u8> encode(const NetworkRequest& request) {
    json forwards = json::array();
    for (const PortForward& f : request.nat.forwards) forwards.push_back(to_string(f));
    return write_text({{"name_server", request.nat.name_server},
                       {"forwards", forwards},
                       {"boot_file", request.nat.boot_file},
                       {"has_capture", request.has_capture}});
}

std::vector<u8> encode(const NetworkReport& report) {
    return write_text({{"error", report.error}, {"refused_defences", report.refused_defences}});
}

std::optional<NetworkRequest> decode_network_request(std::span<const u8> bytes) {
    return checked_read<NetworkRequest>([&]() -> std::optional<NetworkRequest> {
        const json message = json_message::parse_text(bytes);
        NetworkRequest request;
        request.nat.name_server = message.at("name_server").get<std::string>();
        request.nat.boot_file = message.at("boot_file").get<std::string>();
        request.has_capture = message.at("has_capture").get<bool>();
        for (const json& text : message.at("forwards")) {
            const auto forward = parse_port_forward(text.get_ref<const std::string&>());
            if (!forward) return std::nullopt;
            request.nat.forwards.push_back(*forward);
        }
        return request;
    });
}

std::optional<NetworkReport> decode_network_report(std::span<const u8> bytes) {
    return checked_read<NetworkReport>([&]() -> std::optional<NetworkReport> {
        const json message = json_message::parse_text(bytes);
        return NetworkReport{message.at("error").get<std::string>(),
                             message.at("refused_defences").get<std::vector<std::string>>()};
    });
}

}  // namespace softmetal::network
