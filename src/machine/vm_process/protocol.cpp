#include "machine/vm_process/protocol.hpp"

#include "base/json_message.hpp"
#include "base/little_endian.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

namespace softmetal::machine {
namespace {

using json_message::checked_read;
using json_message::write_text;
using nlohmann::json;

/// Throws where it is anything else: the library would convert 1e300, which C++ leaves undefined.
u64 natural(const json& value) { return value.get_ref<const json::number_unsigned_t&>(); }

/// Throws where it does not fit, too.
template <class T>
T narrow(const json& value) {
    const u64 number = natural(value);
    if (number > std::numeric_limits<T>::max()) throw std::out_of_range("a number of the message");
    return static_cast<T>(number);
}

template <class Enum>
std::optional<Enum> checked(const json& value, Enum last) {
    const u64 number = natural(value);
    if (number > static_cast<u64>(last)) return std::nullopt;
    return static_cast<Enum>(number);
}

}  // namespace

std::vector<u8> encode(const StartRequest& request) {
    json disks = json::array();
    for (const StartRequest::Disk& disk : request.disks)
        disks.push_back({{"name", disk.name},
                         {"read_only", disk.read_only},
                         {"attachment", static_cast<u64>(disk.attachment)},
                         {"nbd_export", disk.nbd_export ? json(*disk.nbd_export) : json(nullptr)}});
    json cards = json::array();
    for (const StartRequest::Card& card : request.network_cards)
        cards.push_back({{"model", static_cast<u64>(card.model)}, {"mac", card.mac}});
    json serial_lines = json::array();
    for (const StartRequest::SerialLine& line : request.serial_lines)
        serial_lines.push_back(
            {{"port", static_cast<u64>(line.port)}, {"kind", static_cast<u64>(line.kind)}});
    const std::optional<u16> port = request.config.debug_exit_port;
    // CBOR rather than text: a kernel command line may hold bytes that are not UTF-8.
    return json::to_cbor(
        {{"memory_bytes", request.config.memory_bytes},
         {"cpus", request.config.cpus},
         {"cpu_model", request.config.cpu_model},
         {"mode", static_cast<u64>(request.config.mode)},
         {"lockstep", request.config.lockstep},
         {"command_line", request.config.command_line},
         {"debug_exit_port", port ? json(*port) : json(nullptr)},
         {"test_device", request.config.test_device},
         {"boot", static_cast<u64>(request.config.boot)},
         {"boot_menu", request.config.boot_menu},
         {"kernel_by_firmware", request.config.kernel_by_firmware},
         {"kernel_name", request.config.kernel_name},
         {"has_firmware", request.has_firmware},
         {"has_video_bios", request.has_video_bios},
         {"has_network_rom", request.has_network_rom},
         {"has_kernel", request.has_kernel},
         {"has_initrd", request.has_initrd},
         {"has_debug_console", request.has_debug_console},
         {"firmware_files", request.firmware_files},
         {"disks", disks},
         {"network_cards", cards},
         {"serial_lines", serial_lines},
         {"terminal", request.terminal ? json(static_cast<u64>(*request.terminal)) : json(nullptr)},
         {"debugger", static_cast<u64>(request.debugger)},
         {"has_viewer", request.has_viewer}});
}

std::optional<StartRequest> decode_start_request(std::span<const u8> bytes) {
    return checked_read<StartRequest>([&]() -> std::optional<StartRequest> {
        const json message = json_message::parse_cbor(bytes);
        StartRequest request;
        const auto mode = checked(message.at("mode"), Mode::translate);
        const auto boot = checked(message.at("boot"), BootDevice::network);
        if (!mode || !boot) return std::nullopt;
        request.config = {.memory_bytes = natural(message.at("memory_bytes")),
                          .cpus = narrow<unsigned>(message.at("cpus")),
                          .cpu_model = message.at("cpu_model").get<std::string>(),
                          .mode = *mode,
                          .lockstep = message.at("lockstep").get<bool>(),
                          .command_line = message.at("command_line").get<std::string>(),
                          .boot = *boot,
                          .boot_menu = message.at("boot_menu").get<bool>(),
                          .kernel_by_firmware = message.at("kernel_by_firmware").get<bool>(),
                          .kernel_name = message.at("kernel_name").get<std::string>()};
        if (const json& port = message.at("debug_exit_port"); !port.is_null())
            request.config.debug_exit_port = narrow<u16>(port);
        request.config.test_device = message.at("test_device").get<bool>();
        const auto debugger = checked(message.at("debugger"), StartRequest::Debugger::awaited);
        if (!debugger) return std::nullopt;
        request.debugger = *debugger;
        request.has_firmware = message.at("has_firmware").get<bool>();
        request.has_video_bios = message.at("has_video_bios").get<bool>();
        request.has_network_rom = message.at("has_network_rom").get<bool>();
        request.has_kernel = message.at("has_kernel").get<bool>();
        request.has_viewer = message.at("has_viewer").get<bool>();
        request.has_initrd = message.at("has_initrd").get<bool>();
        request.has_debug_console = message.at("has_debug_console").get<bool>();
        request.firmware_files = message.at("firmware_files").get<std::vector<std::string>>();
        for (const json& card : message.at("network_cards")) {
            const auto model = checked(card.at("model"), NetworkCardModel::e1000);
            if (!model) return std::nullopt;
            request.network_cards.push_back({*model, card.at("mac").get<bus::MacAddress>()});
        }
        using Line = StartRequest::SerialLine;
        request.terminal.reset();
        if (const json& terminal = message.at("terminal"); !terminal.is_null())
            if (request.terminal = checked(terminal, Line::Port::virtio); !request.terminal)
                return std::nullopt;
        for (const json& line : message.at("serial_lines")) {
            const auto where = checked(line.at("port"), Line::Port::virtio);
            const auto kind = checked(line.at("kind"), Line::Kind::file);
            if (!where || !kind) return std::nullopt;
            request.serial_lines.push_back({*where, *kind});
        }
        for (const json& disk : message.at("disks")) {
            const auto attachment = checked(disk.at("attachment"), StartRequest::Disk::Attachment::floppy);
            if (!attachment) return std::nullopt;
            std::optional<std::string> nbd_export;
            if (const json& name = disk.at("nbd_export"); !name.is_null())
                nbd_export = name.get<std::string>();
            request.disks.push_back({disk.at("name").get<std::string>(), disk.at("read_only").get<bool>(),
                                     *attachment, std::move(nbd_export)});
        }
        return request;
    });
}

std::vector<u8> encode(Command command) { return {static_cast<u8>(command)}; }

std::optional<Command> decode_command(std::span<const u8> bytes) {
    if (bytes.size() != 1 || bytes[0] < static_cast<u8>(Command::stop) ||
        bytes[0] > static_cast<u8>(Command::report_memory))
        return std::nullopt;
    return static_cast<Command>(bytes[0]);
}

namespace {
constexpr u8 memory_target = static_cast<u8>(Command::report_memory) + 1;
}

std::vector<u8> encode_memory_target(u64 bytes) {
    std::vector<u8> message{memory_target};
    std::ranges::copy(to_little_endian(bytes), std::back_inserter(message));
    return message;
}

std::optional<u64> decode_memory_target(std::span<const u8> bytes) {
    if (bytes.size() != 1 + sizeof(u64) || bytes[0] != memory_target) return std::nullopt;
    return from_little_endian<u64>(bytes.subspan<1, sizeof(u64)>());
}

std::vector<u8> encode(const MemoryStatus& status) {
    const auto said = [](const std::optional<u64>& number) { return number ? json(*number) : json(nullptr); };
    return write_text({{"memory",
                        {{"ram", status.ram},
                         {"target", status.target},
                         {"balloon", status.balloon},
                         {"reclaimed", status.reclaimed},
                         {"guest_total", said(status.guest_total)},
                         {"guest_available", said(status.guest_available)},
                         {"guest_free", said(status.guest_free)}}}});
}

std::optional<MemoryStatus> decode_memory_status(std::span<const u8> bytes) {
    return checked_read<MemoryStatus>([&] {
        const json message = json_message::parse_text(bytes);
        const json& memory = message.at("memory");
        const auto said = [&](const char* name) {
            const json& number = memory.at(name);
            return number.is_null() ? std::optional<u64>() : natural(number);
        };
        return MemoryStatus{.ram = natural(memory.at("ram")),
                            .target = natural(memory.at("target")),
                            .balloon = natural(memory.at("balloon")),
                            .reclaimed = natural(memory.at("reclaimed")),
                            .guest_total = said("guest_total"),
                            .guest_available = said("guest_available"),
                            .guest_free = said("guest_free")};
    });
}

std::vector<u8> encode(const EndReport& report, std::size_t maximum_bytes) {
    json message = {{"kind", static_cast<u64>(report.kind)},
                    {"reason", static_cast<u64>(report.reason)},
                    {"detail", report.detail},
                    {"exit_value", report.exit_value},
                    {"statistics", report.statistics},
                    {"refused_defences", report.refused_defences},
                    {"failures", report.failures}};
    std::vector<u8> text = write_text(message);
    if (text.size() <= maximum_bytes) return text;
    message["statistics"].erase("cpus");
    text = write_text(message);
    if (text.size() <= maximum_bytes) return text;
    message["statistics"] = nullptr;
    text = write_text(message);
    if (text.size() <= maximum_bytes) return text;
    message["detail"] = report.detail.substr(0, maximum_bytes / 2);
    return write_text(message);
}

std::optional<EndReport> decode_end_report(std::span<const u8> bytes) {
    return checked_read<EndReport>([&]() -> std::optional<EndReport> {
        const json message = json_message::parse_text(bytes);
        const auto kind = checked(message.at("kind"), EndReport::Kind::host_failed);
        const auto reason = checked(message.at("reason"), EndReason::internal_error);
        if (!kind || !reason) return std::nullopt;
        return EndReport{.kind = *kind,
                         .reason = *reason,
                         .detail = message.at("detail").get<std::string>(),
                         .exit_value = narrow<u32>(message.at("exit_value")),
                         .statistics = message.at("statistics"),
                         .refused_defences = message.at("refused_defences").get<std::vector<std::string>>(),
                         .failures = message.at("failures").get<std::vector<std::string>>()};
    });
}

}  // namespace softmetal::machine
