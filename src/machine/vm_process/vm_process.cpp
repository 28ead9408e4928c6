#include "machine/vm_process/vm_process.hpp"

#include "host/event_loop.hpp"
#include "host/input_file.hpp"
#include "host/jail.hpp"
#include "host/monotonic_time.hpp"
#include "host/process_exit.hpp"
#include "host/random.hpp"
#include "host/thread_role.hpp"
#include "machine/vm_process/gdb_server.hpp"
#include "machine/vm_process/log_file.hpp"
#include "machine/vm_process/open_disks.hpp"
#include "machine/vm_process/protocol.hpp"
#include "machine/vm_process/screen_server.hpp"
#include "machine/vm_process/socket_byte_stream.hpp"
#include "machine/vm_process/virtual_time.hpp"
#include "network/socket_link.hpp"

#include <atomic>
#include <chrono>
#include <fmt/format.h>
#include <thread>
#include <utility>

namespace softmetal::machine {
namespace {

constexpr int parent_is_gone = 1;
constexpr u64 time_to_answer = 1'000'000'000;  // nanoseconds that a guest has to say what memory it has

struct Order {
    StartRequest request;
    std::vector<host::UniqueFd> descriptors;
};

Result<Order> receive_order(host::ControlSocket& control) {
    auto received = control.receive();
    if (!received) return std::unexpected(received.error());
    if (!*received) return fail("the parent process went away");
    host::ControlMessage message = std::move(**received);
    auto request = decode_start_request(message.bytes);
    if (!request || message.descriptors.size() != request->descriptor_count())
        return fail("the start request is not understood");
    return Order{std::move(*request), std::move(message.descriptors)};
}

u64 nanoseconds_since_1970() {
    using namespace std::chrono;
    return static_cast<u64>(duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count());
}

/// Everything between the start request and the end report. Members are made, and needed, in this order.
class VmProcess {
 public:
    VmProcess(host::ControlSocket& control, Order order) : control_(control), order_(std::move(order)) {}

    [[nodiscard]] EndReport run() {
        if (auto ready = prepare(); !ready)
            return {.kind = EndReport::Kind::host_failed, .detail = ready.error().message};
        if (auto built = build(); !built)
            return {.kind = EndReport::Kind::rejected, .detail = built.error().message};

        std::thread loop_thread = host::start_loop_thread(*loop_, host::ThreadRole::event_loop);
        const MachineEnd end = machine_->run();
        if (gdb_) gdb_->finish(end);
        if (screen_) screen_->finish();
        for (const auto& line : serial_sockets_) line->stop_waiting();
        terminal_->drain();
        for (const auto& line : serial_sockets_) line->drain();
        for (const auto& line : serial_files_) line->flush();
        if (debug_console_) debug_console_->flush();
        for (std::string& failure : disks_->flush()) failures_.push_back(std::move(failure));
        loop_->stop();
        loop_thread.join();
        return {.kind = EndReport::Kind::ended,
                .reason = end.reason,
                .detail = end.detail,
                .exit_value = end.exit_value,
                .statistics = machine_->statistics(),
                .refused_defences = std::move(refused_defences_),
                .failures = std::move(failures_)};
    }

 private:
    /// What this process takes from the host; ends inside the jail. One thread only, still.
    [[nodiscard]] Result<> prepare() {
        auto loop = host::EventLoop::create();
        if (!loop) return std::unexpected(loop.error());
        loop_ = std::move(*loop);
        time_ = std::make_unique<VirtualTime>(*loop_);
        auto terminal = SocketByteStream::create(*loop_, std::move(order_.descriptors[0]));
        if (!terminal) return std::unexpected(terminal.error());
        terminal_ = std::move(*terminal);
        auto watch = loop_->watch(control_.fd(), {.read = true}, [this](host::Readiness) { obey(); });
        if (!watch) return std::unexpected(watch.error());
        control_watch_ = std::move(*watch);
        memory_deadline_ = loop_->create_timer([this] { send_memory_report(); });
        auto jailed = host::enter_jail();
        if (!jailed) return std::unexpected(jailed.error());
        refused_defences_ = std::move(jailed->refused);
        return {};
    }

    /// From here on the user's files, which may come from anywhere, are looked into.
    [[nodiscard]] Result<> build() {
        const StartRequest& request = order_.request;
        std::size_t next = 1;  // descriptor 0 was the terminal
        MachineResources resources{.kernel = {},
                                   .initrd = {},
                                   .timers = *time_,
                                   .clock = *time_,
                                   .disks = {},
                                   .entropy = host::fill_random,
                                   .wall_clock = nanoseconds_since_1970() - time_->now(),
                                   .time_control = &*time_};
        const struct {
            bool present;
            const char* what;
            std::vector<std::byte>& into;
        } inputs[] = {{request.has_firmware, "firmware", resources.firmware},
                      {request.has_video_bios, "video BIOS", resources.video_bios},
                      {request.has_network_rom, "network boot ROM", resources.network_rom},
                      {request.has_kernel, "kernel", resources.kernel},
                      {request.has_initrd, "initrd", resources.initrd}};
        for (const auto& input : inputs) {
            if (!input.present) continue;
            auto content = read_file(next++, input.what);
            if (!content) return std::unexpected(content.error());
            if (content->empty()) return fail(fmt::format("the {} is empty", input.what));
            input.into = std::move(*content);
        }
        if (request.has_debug_console) {
            debug_console_ = std::make_unique<LogFile>(std::move(order_.descriptors[next++]));
            resources.debug_console = &*debug_console_;
        }
        for (const std::string& name : request.firmware_files) {
            auto content = read_file(next++, name.c_str());
            if (!content) return std::unexpected(content.error());
            resources.firmware_files.push_back({name, std::move(*content)});
        }
        auto disks = OpenDisks::create(request.disks,
                                       std::span(order_.descriptors).subspan(next, request.disks.size()));
        if (!disks) return std::unexpected(disks.error());
        disks_ = std::move(*disks);
        using Attachment = StartRequest::Disk::Attachment;
        resources.disks = disks_->attached_to(Attachment::virtio);
        resources.ide_disks = disks_->attached_to(Attachment::ide);
        resources.cdroms = disks_->attached_to(Attachment::cdrom);
        resources.floppies = disks_->attached_to(Attachment::floppy);
        next += request.disks.size();
        for (const StartRequest::Card& card : request.network_cards) {
            auto link = network::SocketLink::create(*loop_, std::move(order_.descriptors[next++]));
            if (!link) return std::unexpected(link.error());
            resources.network_cards.push_back({card.model, card.mac, link->get()});
            network_links_.push_back(std::move(*link));
        }
        std::array<bus::ByteStream*, 5> lines{};
        if (request.terminal) lines[std::to_underlying(*request.terminal)] = &*terminal_;
        for (const StartRequest::SerialLine& line : request.serial_lines) {
            auto stream = open_serial_line(line.kind, std::move(order_.descriptors[next++]));
            if (!stream) return std::unexpected(stream.error());
            lines[std::to_underlying(line.port)] = *stream;
        }
        std::copy_n(lines.begin(), resources.serial_ports.size(), resources.serial_ports.begin());
        resources.virtio_console = lines[4];

        auto machine = Machine::create(request.config, resources);
        if (!machine) return std::unexpected(machine.error());
        machine_ = std::move(*machine);
        auto screen = ScreenServer::create(machine_->screen(), machine_->input());
        if (!screen) return std::unexpected(screen.error());
        screen_ = std::move(*screen);
        if (request.has_viewer) {
            const std::size_t viewer = order_.descriptors.size() - 2;
            screen_->connect(std::move(order_.descriptors[viewer]),
                             std::move(order_.descriptors[viewer + 1]));
        }
        if (request.debugger == StartRequest::Debugger::none) return {};
        auto gdb = GdbServer::create(*machine_, request.debugger == StartRequest::Debugger::awaited);
        if (!gdb) return std::unexpected(gdb.error());
        gdb_ = std::move(*gdb);
        return {};
    }

    [[nodiscard]] Result<bus::ByteStream*> open_serial_line(StartRequest::SerialLine::Kind kind,
                                                            host::UniqueFd descriptor) {
        if (kind == StartRequest::SerialLine::Kind::file)
            return &*serial_files_.emplace_back(std::make_unique<LogFile>(std::move(descriptor)));
        auto stream = SocketByteStream::create(*loop_, std::move(descriptor));
        if (!stream) return std::unexpected(stream.error());
        return &*serial_sockets_.emplace_back(std::move(*stream));
    }

    [[nodiscard]] Result<std::vector<std::byte>> read_file(std::size_t descriptor, const char* what) const {
        return host::read_whole_file(order_.descriptors[descriptor].get(), order_.request.config.memory_bytes,
                                     what);
    }

    /// On the loop's thread, which runs only once the machine is there.
    void obey() {
        auto received = control_.receive();
        if (!received || !*received) host::exit_now(parent_is_gone);
        if (const auto bytes = decode_memory_target((*received)->bytes))
            return machine_->set_memory_target(*bytes);
        const auto command = decode_command((*received)->bytes);
        if (command == Command::press_power_button) return machine_->press_power_button();
        if (command == Command::report_memory) return report_memory();
        if (command == Command::attach_debugger && gdb_ && (*received)->descriptors.size() == 1)
            return gdb_->connect(std::move((*received)->descriptors.front()));
        if (command == Command::attach_viewer && (*received)->descriptors.size() == 2)
            return screen_->connect(std::move((*received)->descriptors[0]),
                                    std::move((*received)->descriptors[1]));
        if (command == Command::stop) {
            terminal_->stop_waiting();
            for (const auto& line : serial_sockets_) line->stop_waiting();
            machine_->request_stop();
        }
    }

    /// Once the guest has said what it has, or should have.
    void report_memory() {
        memory_report_due_ = true;
        const auto answered = [this] { loop_->post([this] { send_memory_report(); }); };
        if (!machine_->ask_guest_about_memory(answered)) return send_memory_report();
        memory_deadline_->arm(host::monotonic_nanoseconds() + time_to_answer);
    }

    void send_memory_report() {
        if (!std::exchange(memory_report_due_, false)) return;
        memory_deadline_->disarm();
        if (!control_.send(encode(machine_->memory_status()))) host::exit_now(parent_is_gone);
    }

    host::ControlSocket& control_;
    Order order_;
    std::vector<std::string> refused_defences_, failures_;
    std::unique_ptr<host::EventLoop> loop_;
    std::unique_ptr<VirtualTime> time_;
    std::unique_ptr<SocketByteStream> terminal_;
    std::vector<std::unique_ptr<SocketByteStream>> serial_sockets_;
    std::vector<std::unique_ptr<LogFile>> serial_files_;
    std::unique_ptr<host::EventLoop::Watch> control_watch_;
    std::unique_ptr<host::EventLoop::Timer> memory_deadline_;
    bool memory_report_due_ = false;
    std::unique_ptr<LogFile> debug_console_;
    std::unique_ptr<OpenDisks> disks_;
    std::vector<std::unique_ptr<network::SocketLink>> network_links_;
    std::unique_ptr<Machine> machine_;
    std::unique_ptr<GdbServer> gdb_;
    std::unique_ptr<ScreenServer> screen_;
};

}  // namespace

int run_vm_process(host::ControlSocket control) {
    auto order = receive_order(control);
    if (!order) return parent_is_gone;
    // For the life of the process: the vCPUs' and disks' threads may be using it to the last moment.
    auto* process = new VmProcess(control, std::move(*order));
    const EndReport report = process->run();
    const auto sent = control.send(encode(report, host::ControlSocket::maximum_bytes));
    return sent ? 0 : parent_is_gone;
}

}  // namespace softmetal::machine
