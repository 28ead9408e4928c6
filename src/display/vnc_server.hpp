// Shows a machine's screen to VNC viewers, and passes on what they type and point at. RFB itself is
// LibVNCServer's. It reads strangers' bytes: it lives in a jailed process of its own (vnc_process.hpp).
#pragma once

#include "base/result.hpp"
#include "display/keyboard_layout.hpp"
#include "display/screen_viewer.hpp"
#include "host/event_loop.hpp"

#include <memory>
#include <string>

namespace softmetal::display {

/// Everything happens on the event loop's thread.
class VncServer {
 public:
    /// `listener` is a socket that viewers connect to. An empty password lets everybody in.
    [[nodiscard]] static Result<std::unique_ptr<VncServer>> create(host::EventLoop& loop,
                                                                   host::UniqueFd listener,
                                                                   const KeyboardLayout& layout,
                                                                   const std::string& password);
    ~VncServer();
    VncServer(const VncServer&) = delete;
    VncServer& operator=(const VncServer&) = delete;

    /// Another machine's screen, or the same after a restart. Until its first frame the old picture stays.
    [[nodiscard]] Result<> show(ScreenViewer viewer);

 private:
    class Impl;
    explicit VncServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace softmetal::display
