#include "network/network_process.hpp"

#include <nlohmann/json.hpp>

namespace softmetal::network {

namespace {

using nlohmann::json;

std::vector<u8> write_text(const json& message) {
    const std::string text = message.dump(-1, ' ', false, json::error_handler_t::replace);
    return {text.begin(), text.end()};
}

/// None for anything but an object; nothing in it lies deeper than its lists.
std::optional<json> read_text(std::span<const u8> bytes) {
    constexpr int deepest = 4;
    json message = json::parse(
        bytes.begin(), bytes.end(), [](int depth, json::parse_event_t, json&) { return depth <= deepest; },
        false);
    if (!message.is_object()) return std::nullopt;
    return message;
}

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

std::optional<NetworkRequest> decode_network_request(std::span<const u8> bytes) try {
    const auto message = read_text(bytes);
    if (!message) return std::nullopt;
    NetworkRequest request;
    request.nat.name_server = message->at("name_server").get<std::string>();
    request.nat.boot_file = message->at("boot_file").get<std::string>();
    request.has_capture = message->at("has_capture").get<bool>();
    for (const json& text : message->at("forwards")) {
        const auto forward = parse_port_forward(text.get_ref<const std::string&>());
        if (!forward) return std::nullopt;
        request.nat.forwards.push_back(*forward);
    }
    return request;
} catch (const json::exception&) {
    return std::nullopt;
}

std::optional<NetworkReport> decode_network_report(std::span<const u8> bytes) try {
    const auto message = read_text(bytes);
    if (!message) return std::nullopt;
    return NetworkReport{message->at("error").get<std::string>(),
                         message->at("refused_defences").get<std::vector<std::string>>()};
} catch (const json::exception&) {
    return std::nullopt;
}

}  // namespace softmetal::network
