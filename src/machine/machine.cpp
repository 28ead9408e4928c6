#include "machine/machine.hpp"

#include "host/fault_signals.hpp"
#include "host/thread_role.hpp"
#include "machine/acpi/tables.hpp"
#include "machine/board.hpp"
#include "machine/board_layout.hpp"
#include "machine/boot/bios_environment.hpp"
#include "machine/boot/entry_state.hpp"
#include "machine/boot/kernel_loader.hpp"
#include "machine/engine_choice.hpp"
#include "machine/firmware_files.hpp"
#include "machine/smbios.hpp"
#include "machine/vmware_backdoor.hpp"
#include "monitor/register_dump.hpp"
#include "monitor/run_loop.hpp"

#include <condition_variable>
#include <exception>
#include <fmt/format.h>
#include <mutex>
#include <optional>
#include <thread>

namespace softmetal::machine {
namespace {

Result<> check(const MachineConfig& config) {
    if (config.cpus == 0 || config.cpus > layout::maximum_cpus)
        return fail(
            fmt::format("a machine has 1 to {} processors, not {}", layout::maximum_cpus, config.cpus));
    if (config.memory_bytes < layout::minimum_memory || config.memory_bytes % page_size != 0)
        return fail(fmt::format("guest memory of {} bytes is not a whole number of pages from {} MiB on",
                                config.memory_bytes, layout::minimum_memory >> 20));
    return check_cpu_model(config.cpu_model);
}

/// Loads a kernel, and leaves the board as firmware and boot loader would: tables, and the first processor's
/// state.
Result<> boot_kernel(Board& board, const MachineConfig& config, const MachineResources& resources) {
    GuestMemory& memory = board.memory();
    if (auto r = board.hand_over_as_firmware(); !r) return r;
    const auto rsdp = acpi::install_tables(memory, acpi_board(config, resources));
    if (!rsdp) return std::unexpected(rsdp.error());
    if (auto r = install_smbios(
            memory, {.memory_bytes = config.memory_bytes, .cpus = config.cpus, .has_firmware = false});
        !r)
        return r;
    const auto entry = load_kernel(memory, {.kernel = resources.kernel,
                                            .initrd = resources.initrd,
                                            .command_line = config.command_line,
                                            .rsdp = *rsdp,
                                            .screen = board.show_boot_screen(),
                                            .kernel_name = config.kernel_name});
    if (!entry) return std::unexpected(entry.error());
    Vcpu& first = *board.vcpus().front();
    if (entry->mode == EntryMode::long_mode && !first.model.features().long_mode)
        return fail(
            fmt::format("the kernel begins in 64-bit mode, which the processor model {} does not have",
                        config.cpu_model));
    if (entry->may_return_to_real_mode)
        if (auto r = leave_bios_environment(memory, first.ports); !r) return r;
    return enter_kernel(memory, first.state, *entry);
}

/// With firmware the processors begin as the reset line leaves them, at its last 16 bytes.
Result<> boot(Board& board, const MachineConfig& config, const MachineResources& resources) {
    const bool has_kernel = !resources.kernel.empty();
    if (!firmware_begins(config, resources)) return boot_kernel(board, config, resources);
    if (resources.firmware.empty())
        return fail(has_kernel ? "this kernel begins in real mode, with the services of a BIOS: install "
                                 "Debian's package seabios, or name another with --firmware"
                               : "there is neither a kernel nor firmware to boot");
    return board.install_firmware(resources.firmware);
}

nlohmann::json to_json(const Counters& counters) {
    nlohmann::json object = nlohmann::json::object();
    for (const CounterInfo& info : counter_table) object[std::string(info.name)] = counters.*info.member;
    return object;
}

}  // namespace

std::span<const std::string_view> cpu_models() { return CpuModel::names(); }

Result<> check_cpu_model(std::string_view name) {
    const auto model = CpuModel::named(name, 1, layout::tsc_hz);
    if (!model) return std::unexpected(model.error());
    return {};
}

std::string_view to_string(EndReason reason) {
    switch (reason) {
        case EndReason::power_off: return "power-off";
        case EndReason::reset: return "reset";
        case EndReason::guest_exit: return "debug exit port";
        case EndReason::triple_fault: return "triple fault";
        case EndReason::stopped: return "stop";
        case EndReason::internal_error: return "internal error";
    }
    return "?";
}

struct Machine::Parts final : bus::PlatformControl {
    std::unique_ptr<Board> board;
    mutable monitor::StopGate gate;
    std::optional<monitor::DebugControl> debug;
    std::optional<monitor::CodeCoherence> coherence;
    std::vector<std::unique_ptr<monitor::Engine>> engines;  // one a vCPU

    std::mutex mutex;
    std::condition_variable ended;
    std::optional<MachineEnd> end;

    void request_power_off() override { end_with({.reason = EndReason::power_off}); }
    void request_reset() override { end_with({.reason = EndReason::reset}); }
    void request_exit(u32 value) override {
        end_with({.reason = EndReason::guest_exit, .exit_value = value});
    }

    /// The first reason counts.
    void end_with(MachineEnd reason) {
        {
            const std::lock_guard lock(mutex);
            if (!end) end = std::move(reason);
            ended.notify_all();
        }
        gate.end();
    }

    void run_thread(std::size_t index) {
        host::enter_thread_role(host::ThreadRole::vcpu);
        const host::FaultStack fault_stack;
        Vcpu& vcpu = *board->vcpus()[index];
        const VmwareBackdoor::Caller caller(vcpu);
        try {
            if (monitor::run_vcpu(vcpu, *engines[index], gate, &*debug) == monitor::RunEnd::shutdown)
                end_with({.reason = EndReason::triple_fault,
                          .detail = fmt::format("processor {} shut down (triple fault)\n{}", index,
                                                monitor::register_dump(vcpu.state))});
        } catch (const std::exception& e) {
            end_with({.reason = EndReason::internal_error,
                      .detail = fmt::format("processor {}: {}\n{}", index, e.what(),
                                            monitor::register_dump(vcpu.state))});
        }
    }
};

Machine::Machine(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Machine::~Machine() = default;

Result<std::unique_ptr<Machine>> Machine::create(const MachineConfig& config,
                                                 const MachineResources& resources) {
    if (auto r = check(config); !r) return std::unexpected(r.error());
    auto parts = std::make_unique<Parts>();
    auto board = Board::create(config, resources, *parts);
    if (!board) return std::unexpected(board.error());
    parts->board = std::move(*board);
    parts->debug.emplace(parts->gate, resources.time_control);
    if (auto r = boot(*parts->board, config, resources); !r) return std::unexpected(r.error());
    parts->coherence.emplace(parts->board->memory());
    for (const auto& vcpu : parts->board->vcpus()) {
        auto engine = choose_engine(config, *vcpu, *parts->coherence);
        if (!engine) return std::unexpected(engine.error());
        parts->engines.push_back(std::move(*engine));
        parts->gate.add(*vcpu);
        parts->debug->add(*vcpu);
    }
    return std::unique_ptr<Machine>(new Machine(std::move(parts)));
}

MachineEnd Machine::run() {
    {
        std::vector<std::jthread> threads;
        threads.reserve(parts_->engines.size());
        for (std::size_t i = 0; i < parts_->engines.size(); i++)
            threads.emplace_back([this, i] { parts_->run_thread(i); });
        std::unique_lock lock(parts_->mutex);
        parts_->ended.wait(lock, [this] { return parts_->end.has_value(); });
    }
    return *parts_->end;
}

void Machine::request_stop() { parts_->end_with({.reason = EndReason::stopped}); }

void Machine::request_reset() { parts_->request_reset(); }

monitor::DebugControl& Machine::debug_control() { return *parts_->debug; }

bus::Screen& Machine::screen() { return parts_->board->screen(); }
bus::InputSink& Machine::input() { return parts_->board->input(); }

void Machine::press_power_button() { parts_->board->press_power_button(); }
void Machine::set_memory_target(u64 bytes) { parts_->board->set_memory_target(bytes); }

MemoryStatus Machine::memory_status() const { return parts_->board->memory_status(); }
bool Machine::ask_guest_about_memory(std::function<void()> answered) {
    return parts_->board->ask_guest_about_memory(std::move(answered));
}

nlohmann::json Machine::statistics() const {
    Counters total;
    nlohmann::json cpus = nlohmann::json::array();
    parts_->gate.pause();
    for (const auto& vcpu : parts_->board->vcpus()) {
        for (const CounterInfo& info : counter_table) total.*info.member += vcpu->counters.*info.member;
        cpus.push_back(to_json(vcpu->counters));
    }
    // What the interpreter was needed for: where translation would pay next.
    nlohmann::json fallbacks = nlohmann::json::array();
    constexpr std::size_t longest_profile = 24;
    for (const auto& engine : parts_->engines)
        for (const auto& [name, count] : engine->fallback_profile())
            if (fallbacks.size() < longest_profile)
                fallbacks.push_back({{"instruction", name}, {"count", count}});
    parts_->gate.resume();
    return {{"total", to_json(total)}, {"cpus", cpus}, {"fallbacks", fallbacks}};
}

}  // namespace softmetal::machine
