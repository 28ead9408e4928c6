#include "guest_machine.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <random>

namespace softmetal::guests {

void Console::write(std::span<const u8> bytes) {
    const std::lock_guard lock(mutex_);
    output_.append(bytes.begin(), bytes.end());
    if (echo_) {
        std::fwrite(bytes.data(), 1, bytes.size(), stdout);
        std::fflush(stdout);
    }
    written_.notify_all();
}

std::size_t Console::read(std::span<u8> into) {
    const std::lock_guard lock(mutex_);
    const std::size_t count = std::min(into.size(), input_.size());
    std::copy_n(input_.begin(), count, into.begin());
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
}

bool Console::expect(std::string_view text, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    std::size_t place = std::string::npos;
    const auto found = [&] {
        place = output_.find(text, expected_up_to_);
        return place != std::string::npos;
    };
    written_.wait_for(lock, patience, [&] { return found() || closed_; });
    if (place == std::string::npos) return false;
    expected_up_to_ = place + text.size();
    return true;
}

void Console::type(std::string_view text, host::EventLoop& loop) {
    {
        const std::lock_guard lock(mutex_);
        input_.insert(input_.end(), text.begin(), text.end());
    }
    if (readable_) loop.post(readable_);
}

void Console::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    written_.notify_all();
}

std::string Console::output() const {
    const std::lock_guard lock(mutex_);
    return output_;
}

Result<std::vector<std::byte>> read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return fail(fmt::format("cannot open {}", path.string()));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto bytes = std::as_bytes(std::span(text));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
}

GuestMachine::GuestMachine(std::unique_ptr<host::EventLoop> loop, bool echo)
    : loop_(std::move(loop)), time_(*loop_), console_(echo) {}

Result<std::unique_ptr<GuestMachine>> GuestMachine::start(Options options) {
    auto loop = host::EventLoop::create();
    if (!loop) return std::unexpected(loop.error());
    std::unique_ptr<GuestMachine> self(new GuestMachine(std::move(*loop), options.echo));

    const auto entropy = [](std::span<std::byte> into) {
        std::random_device device;
        for (std::byte& b : into) b = static_cast<std::byte>(device());
    };
    auto machine = machine::Machine::create(
        options.config,
        {.kernel = std::move(options.kernel),
         .initrd = std::move(options.initrd),
         .timers = self->time_,
         .clock = self->time_,
         .disks = std::move(options.disks),
         .entropy = entropy,
         .wall_clock =
             static_cast<u64>(
                 std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count()) -
             self->time_.now(),
         .firmware = std::move(options.firmware),
         .video_bios = std::move(options.video_bios),
         .ide_disks = std::move(options.ide_disks),
         .cdroms = std::move(options.cdroms),
         .floppies = std::move(options.floppies),
         .serial_ports = {&self->console_}});
    if (!machine) return std::unexpected(machine.error());
    self->machine_ = std::move(*machine);

    self->loop_thread_ = std::thread([&loop = *self->loop_] { loop.run(); });
    self->run_thread_ = std::thread([self = self.get()] {
        machine::MachineEnd end = self->machine_->run();
        const std::lock_guard lock(self->mutex_);
        self->end_ = std::move(end);
        self->console_.close();
        self->ended_.notify_all();
    });
    return self;
}

GuestMachine::~GuestMachine() {
    if (machine_) machine_->request_stop();
    if (run_thread_.joinable()) run_thread_.join();
    machine_.reset();
    loop_->stop();
    if (loop_thread_.joinable()) loop_thread_.join();
}

std::optional<machine::MachineEnd> GuestMachine::wait(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    ended_.wait_for(lock, patience, [this] { return end_.has_value(); });
    return end_;
}

}  // namespace softmetal::guests
