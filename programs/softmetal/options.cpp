#include "options.hpp"

#include "display/keyboard_layout.hpp"
#include "machine/board_layout.hpp"

#include <fmt/ranges.h>
#include <string>
#include <utility>
#include <vector>

namespace softmetal {
namespace {

constexpr const char* footer = R"(Examples:
  softmetal run debian.img
  softmetal run dos.img
  softmetal run installer.iso --disk new.img,if=ide
  softmetal run --kernel vmlinuz --initrd initrd.img --append console=ttyS0
  softmetal run --kernel vmlinuz --append "console=ttyS0 root=/dev/vda" --disk root.img --memory 2G
  softmetal run --kernel vmlinuz --initrd test.cpio.gz --append "console=ttyS0 panic=-1" \
    --on-reset exit --stats=run.json < /dev/null > console.log

The guest is behind NAT at 10.0.2.15 (DHCP), this computer is 10.0.2.2 for it. With --forward 2222:22,
"ssh -p 2222 localhost" arrives at the guest's port 22.

The guest's first serial port is standard input and output. On a terminal every key goes to the guest,
Ctrl-C included; Ctrl-A x quits, Ctrl-A p presses the power button, Ctrl-A h lists such keys.

With --gdb 1234, as with QEMU's -s, "target remote :1234" in gdb attaches to the running guest and halts it; add
--gdb-wait, as QEMU's -S, to halt it before its first instruction, also after a reset. Processors are gdb's threads,
addresses are those of the current thread's page tables, "monitor help" lists what else there is. "detach" or
leaving gdb lets the guest run on.

Exit status:
  0    the guest powered itself off, or Ctrl-A x was pressed
  2    an option or a file is not as it must be; nothing was run
  3    the guest crashed (triple fault); its registers are on standard error
  4    the host failed: resources, output, or the VM process itself
  5    the guest asked for a reset, and --on-reset is exit
  (v << 1 | 1) & 255  the guest wrote v to the --debug-exit port
  128+N  stopped by signal N: 130 by SIGINT, 143 by SIGTERM)";

/// A word that stands for a value, with an error a person can read.
template <class Enum>
CLI::Validator one_of(std::vector<std::pair<std::string, Enum>> words) {
    return CLI::Validator(
        [words = std::move(words)](std::string& input) -> std::string {
            std::string all;
            for (const auto& [word, value] : words) {
                if (word == input) {
                    input = std::to_string(static_cast<int>(value));  // what CLI11 converts to an enum
                    return {};
                }
                all += (all.empty() ? "" : ", ") + word;
            }
            return "'" + input + "' is not one of " + all;
        },
        "");
}

}  // namespace

CLI::App* add_run_command(CLI::App& app, RunOptions& options) {
    using machine::Mode;
    CLI::App* run = app.add_subcommand("run", "Run a virtual machine until it powers off");
    run->footer(footer);
    run->add_option("IMAGE", options.images,
                    "Boot this image: of a CD-ROM, of a floppy disk, or of a hard disk, then as an IDE disk")
        ->expected(0, 1);
    CLI::Option* kernel =
        run->add_option(
               "--kernel", options.kernel,
               "Kernel to boot instead of what is on the disks: Linux bzImage, Multiboot 1 or 2, or PVH")
            ->type_name("FILE");
    run->add_option("--initrd", options.initrd, "Initial RAM disk for it")->type_name("FILE")->needs(kernel);
    run->add_option("--append", options.command_line, "Kernel command line")
        ->type_name("TEXT")
        ->needs(kernel);
    run->add_option_function<std::string>(
           "--firmware",
           [&options](const std::string& file) {
               options.kernel_by_firmware = true;
               if (!file.empty()) options.firmware = file;
           },
           "BIOS image instead of SeaBIOS. With --kernel, which needs none, a BIOS starts the kernel")
        ->type_name("[FILE]")
        ->expected(0, 1);
    run->add_option(
           "--firmware-file", options.firmware_files,
           "Give FILE to firmware and guest under this name, such as opt/org.example/settings; repeat "
           "it for more")
        ->type_name("NAME=FILE")
        ->allow_extra_args(false);
    run->add_option("--disk", options.disks,
                    "Raw disk image, block device, or nbd://HOST/EXPORT or nbd+unix:///EXPORT?socket=PATH; "
                    ",if=ide makes it an IDE disk instead of a virtio one, "
                    ",readonly protects "
                    "it; repeat it for more disks")
        ->type_name("FILE")
        ->allow_extra_args(false);
    run->add_option("--cdrom", options.cdroms, "CD-ROM or DVD image (ISO 9660), in an IDE drive")
        ->type_name("FILE")
        ->allow_extra_args(false);
    run->add_option("--floppy", options.floppies, "Floppy disk image, up to 2.88 MB; ,readonly protects it")
        ->type_name("FILE")
        ->allow_extra_args(false);
    run->add_option("--boot", options.boot, "What the firmware tries first: disk, cdrom, floppy or network")
        ->type_name("DEVICE")
        ->transform(one_of<machine::BootDevice>({{"disk", machine::BootDevice::disk},
                                                 {"cdrom", machine::BootDevice::cdrom},
                                                 {"floppy", machine::BootDevice::floppy},
                                                 {"network", machine::BootDevice::network}}))
        ->default_str("disk");
    run->add_flag("--boot-menu", options.boot_menu,
                  "The firmware waits some seconds for Escape, and then asks what to boot");
    run->add_option("--network", options.networks,
                    "nat: the guest reaches what this computer reaches; switch=NAME: your other guests with "
                    "the same switch, and nobody else; none: no network card. Repeat it for more cards")
        ->type_name("KIND")
        ->allow_extra_args(false)
        ->default_str("nat");
    using machine::NetworkCardModel;
    run->add_option("--network-card", options.network_card,
                    "virtio, which is fast, or e1000, which older systems know")
        ->type_name("MODEL")
        ->transform(one_of<NetworkCardModel>(
            {{"virtio", NetworkCardModel::virtio}, {"e1000", NetworkCardModel::e1000}}))
        ->default_str("virtio");
    run->add_option(
           "--network-rom", options.network_rom,
           "Boot ROM of the network card instead of iPXE; only used where the network is booted from")
        ->type_name("FILE");
    run->add_option("--boot-file", options.boot_file,
                    "What a guest that boots from the network is told to load; for iPXE a URL, such as "
                    "http://10.0.2.2:8000/boot.ipxe")
        ->type_name("NAME");
    run->add_option("--forward", options.forwards,
                    "Lead a port of this computer to one of the guest: [ADDRESS:]HOST-PORT:GUEST-PORT[/udp]; "
                    "repeat it "
                    "for more. Without ADDRESS only this computer can connect")
        ->type_name("PORTS")
        ->allow_extra_args(false);
    run->add_option("--capture", options.capture,
                    "Write the first network's frames to FILE, for tcpdump and Wireshark")
        ->type_name("FILE");
    run->add_option("--serial", options.serial,
                    "Where serial port COM1 leads: terminal, none, file:PATH or unix:PATH (a socket to "
                    "connect to); repeat it for "
                    "COM2 to COM4")
        ->type_name("WHERE")
        ->allow_extra_args(false)
        ->default_str("terminal");
    run->add_option("--console", options.console,
                    "Add a virtio console, hvc0 of Linux, which leads there. With terminal, COM1 leads "
                    "nowhere unless --serial says")
        ->type_name("WHERE");
    run->add_option("--memory", options.memory, "Guest memory, with a suffix K, M, G or T")
        ->type_name("SIZE")
        ->capture_default_str();
    run->add_option("--cpus", options.cpus, "Virtual processors")
        ->type_name("N")
        ->check(CLI::Range(1u, machine::layout::maximum_cpus))
        ->capture_default_str();
    run->add_option("--cpu", options.cpu,
                    fmt::format("Processor model: {}", fmt::join(machine::cpu_models(), ", ")))
        ->type_name("MODEL")
        ->capture_default_str();
    run->add_option("--mode", options.mode, "How guest code runs: auto, interpret or translate")
        ->type_name("MODE")
        ->transform(one_of<Mode>(
            {{"auto", Mode::automatic}, {"interpret", Mode::interpret}, {"translate", Mode::translate}}))
        ->default_str("auto");
    run->add_flag("--lockstep", options.lockstep,
                  "Check the translator: run the interpreter behind it, stop at the first difference");
    run->add_option("--on-reset", options.on_reset, "When the guest resets: restart or exit")
        ->type_name("ACTION")
        ->transform(one_of<OnReset>({{"restart", OnReset::restart}, {"exit", OnReset::exit}}))
        ->default_str("restart");
    CLI::Option* gdb =
        run->add_option(
               "--gdb", options.gdb,
               "Let gdb attach at PORT, HOST:PORT or unix:PATH; without HOST from this computer only")
            ->type_name("ADDRESS");
    run->add_flag("--gdb-wait", options.gdb_wait, "Do not start before gdb has attached and says so")
        ->needs(gdb);
    run->add_option_function<std::string>(
           "--debug-exit",
           [&options](const std::string& port) {
               if (port.empty()) {
                   options.debug_exit_port = static_cast<u16>(machine::layout::default_debug_exit_port);
                   return;
               }
               u16 number = 0;
               if (!CLI::detail::lexical_cast(port, number))
                   throw CLI::ValidationError("--debug-exit", "'" + port + "' is not a port number");
               options.debug_exit_port = number;
           },
           "Let the guest end the run: what it writes to this port (0xf4) decides the exit status")
        ->type_name("[PORT]")
        ->expected(0, 1);
    run->add_option("--debug-console", options.debug_console,
                    "Write what the guest says on port 0x402 to FILE: SeaBIOS tells there what it does")
        ->type_name("FILE");
    run->add_flag("--test-device", options.test_device,
                  "Add what kernels for testing machines expect: QEMU's pc-testdev");
    run->add_option("--control", options.control,
                    "Socket file for other commands, such as softmetal screenshot; by default one in "
                    "$XDG_RUNTIME_DIR/softmetal")
        ->type_name("PATH");
    CLI::Option* vnc =
        run->add_option("--vnc", options.vnc,
                        "Let VNC viewers connect: DISPLAY or PORT, HOST:PORT or unix:PATH; without HOST from "
                        "this computer only")
            ->type_name("ADDRESS");
    run->add_option("--vnc-password-file", options.vnc_password_file,
                    "Ask viewers for the password in the first line of FILE")
        ->type_name("FILE")
        ->needs(vnc);
    run->add_option(
           "--keyboard", options.keyboard,
           fmt::format("Layout the guest is set to: {}", fmt::join(display::KeyboardLayout::names(), ", ")))
        ->type_name("LAYOUT")
        ->capture_default_str()
        ->needs(vnc);
    run->add_option("--screenshot", options.screenshot,
                    "Write what the screen shows at the end to FILE, as PNG")
        ->type_name("FILE");
    run->add_option_function<std::string>(
           "--stats",
           [&options](const std::string& file) {
               options.statistics = true;
               options.statistics_file = file;
           },
           "Print counters at the end, or write them to FILE as JSON")
        ->type_name("[FILE]")
        ->expected(0, 1);
    return run;
}

}  // namespace softmetal
