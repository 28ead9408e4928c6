#include "serial_options.hpp"

#include "host/input_file.hpp"
#include "machine/board_layout.hpp"

#include <fmt/format.h>
#include <string_view>

namespace softmetal {
namespace {

using Port = machine::StartRequest::SerialLine::Port;

class Opener {
 public:
    [[nodiscard]] Result<> open(const char* option, Port port, const std::string& where) {
        if (where == "none") return {};
        if (where == "terminal") {
            if (lines_.terminal)
                return fail(fmt::format("{}: the terminal is taken by another serial line", option));
            lines_.terminal = port;
            return {};
        }
        SerialLine line{.port = port, .file = {}, .listener = nullptr};
        if (where.starts_with("file:")) {
            auto file = host::create_output_file("file of a serial line", where.substr(5));
            if (!file) return fail(fmt::format("{}: {}", option, file.error().message));
            line.file = std::move(*file);
        } else if (where.starts_with("unix:")) {
            auto listener = host::ListeningSocket::open(where);
            if (!listener) return fail(fmt::format("{}: {}", option, listener.error().message));
            line.listener = std::move(*listener);
        } else {
            return fail(fmt::format("{}: '{}' is not terminal, none, file:PATH or unix:PATH", option, where));
        }
        lines_.others.push_back(std::move(line));
        return {};
    }

    [[nodiscard]] SerialLines& lines() { return lines_; }

 private:
    SerialLines lines_;
};

}  // namespace

Result<SerialLines> open_serial_lines(const std::vector<std::string>& serial, const std::string& console) {
    constexpr auto most = machine::layout::serial_port_count;
    if (serial.size() > most)
        return fail(fmt::format("--serial: a machine has {} serial ports, not {}", most, serial.size()));
    Opener opener;
    for (std::size_t i = 0; i < serial.size(); ++i)
        if (auto opened = opener.open("--serial", static_cast<Port>(i), serial[i]); !opened)
            return std::unexpected(opened.error());
    if (!console.empty())
        if (auto opened = opener.open("--console", Port::virtio, console); !opened)
            return std::unexpected(opened.error());
    SerialLines& lines = opener.lines();
    if (serial.empty() && !lines.terminal) lines.terminal = Port::com1;
    return std::move(lines);
}

}  // namespace softmetal
