// Serves viewers of the machine's screen, on a thread of its own: whoever asks gets a frame into its surface,
// and what it says of keys and pointer goes to the machine. The sockets come from the trusted parent.
#pragma once

#include "bus/backends/input.hpp"
#include "bus/backends/screen.hpp"
#include "display/screen_link.hpp"
#include "display/surface.hpp"
#include "host/event_loop.hpp"
#include "host/shared_memory.hpp"
#include "host/unique_fd.hpp"

#include <list>
#include <memory>
#include <thread>
#include <vector>

namespace softmetal::machine {

class ScreenServer {
 public:
    /// Both outlive the server.
    [[nodiscard]] static Result<std::unique_ptr<ScreenServer>> create(bus::Screen& screen,
                                                                      bus::InputSink& input);
    ~ScreenServer();
    ScreenServer(const ScreenServer&) = delete;
    ScreenServer& operator=(const ScreenServer&) = delete;

    /// A surface of display::surface_bytes that cannot shrink. Any thread.
    void connect(host::UniqueFd socket, host::UniqueFd surface);
    /// Every viewer gets the last frame, asked for or not; ends the thread.
    void finish();

 private:
    struct Viewer {
        Viewer(host::UniqueFd connection, host::SharedMemory memory)
            : socket(std::move(connection)),
              storage(std::move(memory)),
              surface({reinterpret_cast<u32*>(storage.data()), storage.size() / sizeof(u32)}) {}
        host::UniqueFd socket;
        host::SharedMemory storage;
        display::Surface surface;
        display::RecordReader reader;
        std::vector<u8> outgoing;
        bool frame_wanted = false, gone = false;
        std::unique_ptr<host::EventLoop::Watch> watch;
    };
    ScreenServer(bus::Screen& screen, bus::InputSink& input, std::unique_ptr<host::EventLoop> loop);
    void begin(host::UniqueFd socket, host::UniqueFd surface);
    void exchange(Viewer& viewer, host::Readiness ready);
    void receive(Viewer& viewer);
    void send(Viewer& viewer);
    void render(Viewer& viewer);
    void forget_gone();

    bus::Screen& screen_;
    bus::InputSink& input_;
    std::unique_ptr<host::EventLoop> loop_;
    std::list<Viewer> viewers_;  // the thread's own
    std::thread thread_;
};

}  // namespace softmetal::machine
