#include "screenshot_command.hpp"

#include "complain.hpp"
#include "control_door.hpp"
#include "display/png_file.hpp"
#include "exit_codes.hpp"
#include "host/byte_socket.hpp"
#include "host/control_socket.hpp"
#include "host/monotonic_time.hpp"

#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vector>

namespace softmetal {
namespace {

namespace fs = std::filesystem;

constexpr u64 patience = 10'000'000'000;  // nanoseconds for a machine to draw one picture

/// The socket of the only machine that runs. Files that nobody listens on any more do not count.
Result<host::UniqueFd> find_machine() {
    const auto directory = control_directory();
    if (!directory) return fail("there is no $XDG_RUNTIME_DIR; name the machine's socket with --control");
    std::vector<std::string> names;
    host::UniqueFd found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(*directory, error)) {
        auto socket = host::connect_socket_file(entry.path().string());
        if (!socket) continue;
        names.push_back(entry.path().string());
        found = std::move(*socket);
    }
    if (names.empty()) return fail("no machine runs");
    if (names.size() > 1)
        return fail(fmt::format("several machines run; name one with --control: {}", fmt::join(names, ", ")));
    return found;
}

Result<display::ScreenViewer> view(host::UniqueFd machine) {
    host::ControlSocket conversation(std::move(machine));
    const std::array request = {static_cast<u8>(ControlRequest::view_screen)};
    if (auto sent = conversation.send(request); !sent) return std::unexpected(sent.error());
    auto answer = conversation.receive();
    if (!answer) return std::unexpected(answer.error());
    if (!*answer || (*answer)->descriptors.size() != 2) return fail("the machine shows no screen");
    auto& descriptors = (*answer)->descriptors;
    auto surface = host::SharedMemory::map(std::move(descriptors[1]), display::surface_bytes);
    if (!surface) return std::unexpected(surface.error());
    return display::ScreenViewer(std::move(descriptors[0]), std::move(*surface));
}

Result<> wait_for_frame(display::ScreenViewer& viewer) {
    using Received = display::ScreenViewer::Received;
    auto loop = host::EventLoop::create();
    if (!loop) return std::unexpected(loop.error());
    Received last = Received::nothing;
    const auto timer = (*loop)->create_timer([&] { (*loop)->stop(); });
    auto watch = (*loop)->watch(viewer.fd(), {.read = true}, [&](host::Readiness) {
        last = viewer.receive();
        if (last != Received::nothing) (*loop)->stop();
    });
    if (!watch) return std::unexpected(watch.error());
    timer->arm(host::monotonic_nanoseconds() + patience);
    if (viewer.send({.kind = display::Record::Kind::frame_wanted})) (*loop)->run();
    if (last == Received::frame) return {};
    return fail(last == Received::gone ? "the machine is gone" : "the machine does not answer");
}

Result<> take_screenshot(const ScreenshotOptions& options) {
    auto machine = options.control.empty() ? find_machine() : host::connect_socket_file(options.control);
    if (!machine) return std::unexpected(machine.error());
    auto viewer = view(std::move(*machine));
    if (!viewer) return std::unexpected(viewer.error());
    if (auto came = wait_for_frame(*viewer); !came) return came;
    return display::write_png(options.file, viewer->width(), viewer->height(), viewer->pixels());
}

}  // namespace

CLI::App* add_screenshot_command(CLI::App& app, ScreenshotOptions& options) {
    CLI::App* command =
        app.add_subcommand("screenshot", "Write what a running machine's screen shows to a file");
    command->add_option("FILE", options.file, "PNG file to write")->required();
    command
        ->add_option(
            "--control", options.control,
            "The socket that its softmetal run was given with --control; without it the only machine")
        ->type_name("PATH");
    return command;
}

int screenshot_command(const ScreenshotOptions& options) {
    const auto taken = take_screenshot(options);
    if (taken) return exit_codes::success;
    complain(taken.error().message);
    return exit_codes::host_error;
}

}  // namespace softmetal
