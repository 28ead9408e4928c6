// A whole virtual machine: board, processors and the threads that run them, behind a few calls.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "bus/backends/block_store.hpp"
#include "bus/backends/byte_stream.hpp"
#include "bus/backends/input.hpp"
#include "bus/backends/network_link.hpp"
#include "bus/backends/screen.hpp"
#include "bus/clock.hpp"
#include "monitor/debug_control.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace softmetal::machine {

/// Which engine runs the guest; `automatic` is the best one there is.
enum class Mode { automatic, interpret, translate };

/// What the firmware tries first; the others come after it.
enum class BootDevice { disk, cdrom, floppy, network };

struct MachineConfig {
    u64 memory_bytes = 0;
    unsigned cpus = 1;
    std::string cpu_model = "host";  // one of CpuModel::names()
    Mode mode = Mode::automatic;
    bool lockstep = false;  // run the interpreter behind the translator and stop at the first difference
    std::string command_line = {};
    std::optional<u16> debug_exit_port = {};
    bool test_device = false;
    BootDevice boot = BootDevice::disk;
    bool boot_menu = false;              // the firmware asks what to boot
    bool kernel_by_firmware = false;     // even one that could be entered without
    std::string kernel_name = "kernel";  // which Multiboot kernels find before their command line
};

/// The names of processor models.
[[nodiscard]] std::span<const std::string_view> cpu_models();
/// The error says that there is no such model, or that this host cannot be it.
[[nodiscard]] Result<> check_cpu_model(std::string_view name);

enum class NetworkCardModel : u8 { virtio, e1000 };

struct NetworkCard {
    NetworkCardModel model = NetworkCardModel::virtio;
    bus::MacAddress mac{};
    bus::NetworkLink* link = nullptr;
};

/// A named item of the firmware configuration device's: "opt/...".
struct FirmwareFile {
    std::string name;
    std::vector<std::byte> content;
};

/// What the machine is given to work with. References and pointers must outlive it.
struct MachineResources {
    // Entered by its boot protocol; firmware begins where there is none, or where the kernel needs it.
    std::vector<std::byte> kernel, initrd;
    bus::TimerFactory& timers;
    const bus::Clock& clock;
    std::vector<bus::BlockStore*> disks;  // virtio
    std::function<void(std::span<std::byte>)> entropy;
    bus::Nanoseconds wall_clock = 0;           // since 1970, UTC, at virtual time 0
    bus::TimeControl* time_control = nullptr;  // stops the clock while a debugger has the machine halted
    std::vector<std::byte> firmware = {};
    // In expansion ROMs: the display adapter's, and that of every network card.
    std::vector<std::byte> video_bios = {}, network_rom = {};
    std::vector<bus::BlockStore*> ide_disks = {}, cdroms = {}, floppies = {};
    bus::ByteStream* debug_console = nullptr;  // firmware's messages; none: no such port
    std::vector<NetworkCard> network_cards = {};
    /// COM1 to COM4; none: no such port, but for COM1, which leads nowhere then.
    std::array<bus::ByteStream*, 4> serial_ports = {};
    bus::ByteStream* virtio_console = nullptr;  // none: no such device
    std::vector<FirmwareFile> firmware_files = {};
};

/// In bytes.
struct MemoryStatus {
    u64 ram = 0;        // of the machine
    u64 target = 0;     // what the guest is to do with
    u64 balloon = 0;    // what it says to have handed over
    u64 reclaimed = 0;  // what it has given back since the machine began, handed over or reported free
    /// As the guest says; absent where it does not.
    std::optional<u64> guest_total = {}, guest_available = {}, guest_free = {};
    bool operator==(const MemoryStatus&) const = default;
};

enum class EndReason { power_off, reset, guest_exit, triple_fault, stopped, internal_error };

[[nodiscard]] std::string_view to_string(EndReason reason);

struct MachineEnd {
    EndReason reason = EndReason::stopped;
    std::string detail = {};  // for a triple fault, the registers; for an internal error, the sentence
    u32 exit_value = 0;       // for guest_exit: what the guest wrote to the debug exit port
};

class Machine {
 public:
    /// Builds the board and loads the kernel; the error says what is wrong with which input.
    [[nodiscard]] static Result<std::unique_ptr<Machine>> create(const MachineConfig& config,
                                                                 const MachineResources& resources);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    /// Runs until the guest ends or is stopped. Once; the event loop must run on another thread.
    [[nodiscard]] MachineEnd run();

    /// Any thread; run() returns soon after.
    void request_stop();
    /// As if the guest had asked for it. Any thread.
    void request_reset();
    /// The ACPI power button, once. Any thread.
    void press_power_button();
    /// How much of its memory the guest is to do with: it is asked for the rest, which the host gets back as
    /// far as the guest obliges. Any thread.
    void set_memory_target(u64 bytes);

    [[nodiscard]] MemoryStatus memory_status() const;
    /// The guest is to say anew what it has; false where it has no driver that could. `answered` is called on
    /// one of the guest's threads, and may do no more than tell another.
    [[nodiscard]] bool ask_guest_about_memory(std::function<void()> answered);

    /// What the display adapter shows, and where keys and pointer go. Any thread; also after run().
    [[nodiscard]] bus::Screen& screen();
    [[nodiscard]] bus::InputSink& input();

    /// For a debugger's thread; also before run().
    [[nodiscard]] monitor::DebugControl& debug_control();

    /// Counters by name, summed and by vCPU. Exact once run() has returned.
    [[nodiscard]] nlohmann::json statistics() const;

 private:
    struct Parts;
    explicit Machine(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace softmetal::machine
