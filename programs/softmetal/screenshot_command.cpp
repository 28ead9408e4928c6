#include "screenshot_command.hpp"

#include "complain.hpp"
#include "control_option.hpp"
#include "display/machine_viewer.hpp"
#include "display/png_file.hpp"
#include "exit_codes.hpp"
#include "host/event_loop.hpp"
#include "host/monotonic_time.hpp"

namespace softmetal {
namespace {

constexpr u64 patience = 10'000'000'000;  // nanoseconds for a machine to draw one picture

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
    auto viewer = display::view_machine(options.control);
    if (!viewer) return std::unexpected(viewer.error());
    if (auto came = wait_for_frame(*viewer); !came) return came;
    return display::write_png(options.file, viewer->width(), viewer->height(), viewer->pixels());
}

}  // namespace

CLI::App* add_screenshot_command(CLI::App& app, ScreenshotOptions& options) {
    CLI::App* command =
        app.add_subcommand("screenshot", "Write what a running machine's screen shows to a file");
    command->add_option("FILE", options.file, "PNG file to write")->required();
    add_control_option(*command, options.control);
    return command;
}

int screenshot_command(const ScreenshotOptions& options) {
    const auto taken = take_screenshot(options);
    if (taken) return exit_codes::success;
    complain(taken.error().message);
    return exit_codes::host_error;
}

}  // namespace softmetal
