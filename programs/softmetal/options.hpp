// The command line of `softmetal run`.
#pragma once

#include "machine/machine.hpp"

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace softmetal {

enum class OnReset { restart, exit };

struct RunOptions {
    std::optional<std::string> kernel;    // without one the firmware boots what is on the disks
    std::optional<std::string> firmware;  // instead of the default
    std::optional<std::string> initrd;
    std::vector<std::string> firmware_files;   // NAME=FILE
    std::optional<std::string> debug_console;  // a file for what the guest writes to port 0x402
    std::string command_line;
    std::vector<std::string> serial;  // where COM1 and so on lead to; empty: COM1 to the terminal
    std::string console;              // where the virtio console leads to; empty: there is none
    std::vector<std::string> images;  // to boot from, whatever they are
    std::vector<std::string> disks, cdroms, floppies;
    machine::BootDevice boot = machine::BootDevice::disk;
    bool boot_menu = false;
    bool kernel_by_firmware = false;              // though the kernel may do without
    std::vector<std::string> networks = {"nat"};  // a card each
    machine::NetworkCardModel network_card = machine::NetworkCardModel::virtio;
    std::optional<std::string> network_rom;  // instead of the default
    std::string boot_file;                   // what DHCP tells firmware to load; empty: nothing
    std::vector<std::string> forwards;
    std::string capture;  // where the network's frames are written to; empty: nowhere
    std::string memory = "1G";
    unsigned cpus = 1;
    std::string cpu = "host";
    machine::Mode mode = machine::Mode::automatic;
    bool lockstep = false;
    std::optional<u16> debug_exit_port;
    bool test_device = false;
    OnReset on_reset = OnReset::restart;
    std::string gdb;  // where a debugger may attach; empty: nowhere
    bool gdb_wait = false;
    std::string control;  // the socket for other commands; empty: the default
    std::string vnc;      // where VNC viewers may connect; empty: nowhere
    std::string vnc_password_file;
    std::string keyboard = "us";
    std::string screenshot;  // where the last picture goes; empty: nowhere
    bool statistics = false;
    std::string statistics_file;  // empty: a table on standard error
};

/// Adds the subcommand `run`, which fills `options`; both must outlive the parsing.
CLI::App* add_run_command(CLI::App& app, RunOptions& options);

}  // namespace softmetal
