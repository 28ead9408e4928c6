// A window on the screen of a running machine, with its keyboard and mouse.
#pragma once

#include "base/result.hpp"
#include "display/screen_viewer.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace softmetal {

class Window {
 public:
    using Connect = std::function<Result<display::ScreenViewer>()>;
    /// `connect` is also tried, for a moment, when the machine goes away: it may only have been reset.
    [[nodiscard]] static Result<std::unique_ptr<Window>> open(Connect connect, bool full_screen);
    ~Window();
    Window(const Window&) = delete;
    Window& operator=(const Window&) = delete;

    /// Until the user closes it or the machine has ended. Fails where the display does.
    [[nodiscard]] Result<> run();

 private:
    class Impl;
    explicit Window(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace softmetal
