#include "display/machine_viewer.hpp"

#include "host/listening_socket.hpp"

#include <array>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vector>

namespace softmetal::display {
namespace {

namespace fs = std::filesystem;

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

Result<ScreenViewer> view(host::ControlSocket conversation) {
    const std::array request = {static_cast<u8>(ControlRequest::view_screen)};
    if (auto sent = conversation.send(request); !sent) return std::unexpected(sent.error());
    auto answer = conversation.receive();
    if (!answer) return std::unexpected(answer.error());
    if (!*answer || (*answer)->descriptors.size() != 2) return fail("the machine shows no screen");
    auto& descriptors = (*answer)->descriptors;
    auto surface = host::SharedMemory::map(std::move(descriptors[1]), surface_bytes);
    if (!surface) return std::unexpected(surface.error());
    return ScreenViewer(std::move(descriptors[0]), std::move(*surface));
}

}  // namespace

std::optional<fs::path> control_directory() {
    const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
    if (!runtime || !*runtime) return std::nullopt;
    return fs::path(runtime) / "softmetal";
}

Result<host::ControlSocket> call_machine(const std::string& control) {
    auto machine = control.empty() ? find_machine() : host::connect_socket_file(control);
    if (!machine) return std::unexpected(machine.error());
    return host::ControlSocket(std::move(*machine));
}

Result<ScreenViewer> view_machine(const std::string& control) {
    auto conversation = call_machine(control);
    if (!conversation) return std::unexpected(conversation.error());
    return view(std::move(*conversation));
}

}  // namespace softmetal::display
