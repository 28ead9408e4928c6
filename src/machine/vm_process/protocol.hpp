// What the trusted parent and the jailed VM process say to each other over the control socket.
//
// parent -> VM process: one StartRequest with descriptors, then Commands.
// VM process -> parent: a MemoryStatus for each report_memory, and one EndReport. The parent takes it for a
// guest's words: checked, never believed.
#pragma once

#include "machine/machine.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace softmetal::machine {

/// Followed, in this order, by the descriptors of the serial port's socket, then, each where there is one,
/// the firmware, the video BIOS, the network cards' option ROM, the kernel, the initrd and the file for the
/// debug console's output, the firmware configuration device's files, the disks, the cables of the network
/// cards, the serial lines, and a viewer's socket and surface where there is one from the beginning.
struct StartRequest {
    struct Disk {
        std::string name;  // for messages
        bool read_only = false;
        enum class Attachment : u8 { virtio, ide, cdrom, floppy };
        Attachment attachment = Attachment::virtio;
        /// Its descriptor is a connection to an NBD server that has an export of this name.
        std::optional<std::string> nbd_export = {};
    };
    MachineConfig config;
    bool has_firmware = false, has_video_bios = false, has_network_rom = false, has_kernel = false;
    bool has_initrd = false, has_debug_console = false;
    std::vector<std::string> firmware_files;  // their names
    std::vector<Disk> disks;
    /// Can a debugger be attached, and does the machine wait for one before it runs?
    enum class Debugger : u8 { none, allowed, awaited };
    Debugger debugger = Debugger::none;
    bool has_viewer = false;
    struct Card {
        NetworkCardModel model = NetworkCardModel::virtio;
        bus::MacAddress mac{};
        bool operator==(const Card&) const = default;
    };
    std::vector<Card> network_cards;
    /// What a serial line of the machine's leads to. Of the terminal the descriptor is the first of all.
    struct SerialLine {
        enum class Port : u8 { com1, com2, com3, com4, virtio };
        enum class Kind : u8 { socket, file };
        Port port = Port::com2;
        Kind kind = Kind::socket;
        bool operator==(const SerialLine&) const = default;
    };
    std::optional<SerialLine::Port> terminal = SerialLine::Port::com1;
    std::vector<SerialLine> serial_lines;
    [[nodiscard]] std::size_t descriptor_count() const {
        return 1 + std::size_t{has_firmware} + std::size_t{has_video_bios} + std::size_t{has_network_rom} +
               std::size_t{has_kernel} + std::size_t{has_initrd} + std::size_t{has_debug_console} +
               firmware_files.size() + disks.size() + network_cards.size() + serial_lines.size() +
               (has_viewer ? 2 : 0);
    }
};

/// attach_debugger comes with the descriptor of a socket on which a debugger speaks GDB's remote protocol;
/// attach_viewer with those of a socket and a surface (display/screen_link.hpp).
enum class Command : u8 {
    stop = 1,
    press_power_button = 2,
    attach_debugger = 3,
    attach_viewer = 4,
    report_memory = 5
};

struct EndReport {
    /// `rejected`: the machine could not be built from what the user gave. `host_failed`: nor from what the
    /// host gives.
    enum class Kind : u8 { ended, rejected, host_failed };
    Kind kind = Kind::ended;
    EndReason reason = EndReason::stopped;  // where it ended
    std::string detail;                     // MachineEnd's, or the sentence that says what is wrong
    u32 exit_value = 0;                     // MachineEnd's
    nlohmann::json statistics = nullptr;
    std::vector<std::string> refused_defences = {};  // JailReport's
    std::vector<std::string> failures = {};  // that did not end the machine: a disk that cannot be flushed
};

[[nodiscard]] std::vector<u8> encode(const StartRequest& request);
[[nodiscard]] std::vector<u8> encode(Command command);
[[nodiscard]] std::vector<u8> encode(const MemoryStatus& status);
/// Leaves the statistics of single processors, or all, out where the message would otherwise be longer than
/// `maximum_bytes`.
[[nodiscard]] std::vector<u8> encode(const EndReport& report, std::size_t maximum_bytes);

// None where the bytes are no such message.
[[nodiscard]] std::optional<StartRequest> decode_start_request(std::span<const u8> bytes);
[[nodiscard]] std::optional<Command> decode_command(std::span<const u8> bytes);
/// How many bytes of its memory the guest is to do with.
[[nodiscard]] std::vector<u8> encode_memory_target(u64 bytes);
[[nodiscard]] std::optional<u64> decode_memory_target(std::span<const u8> bytes);
[[nodiscard]] std::optional<MemoryStatus> decode_memory_status(std::span<const u8> bytes);
[[nodiscard]] std::optional<EndReport> decode_end_report(std::span<const u8> bytes);

}  // namespace softmetal::machine
