#include "display/vnc_server.hpp"

#include "display/keyboard_translator.hpp"
#include "host/byte_socket.hpp"
#include "host/listening_socket.hpp"
#include "host/monotonic_time.hpp"

#include <array>
#include <map>
#include <rfb/rfb.h>

namespace softmetal::display {
namespace {

constexpr u64 millisecond = 1'000'000;
constexpr u64 frame_interval = 33 * millisecond;  // while something happens
constexpr u64 resting_interval = 100 * millisecond;
constexpr unsigned frames_until_rest = 30;   // without a change or a key
constexpr int patience_with_viewers = 2000;  // milliseconds for one that takes no bytes
constexpr int first_width = 720, first_height = 400;

// RFB's mask of buttons: the wheel is two of them.
constexpr int rfb_left = 1, rfb_middle = 2, rfb_right = 4, rfb_wheel_up = 8, rfb_wheel_down = 16;

u8 buttons_of(int mask) {
    using namespace bus::pointer_button;
    return static_cast<u8>((mask & rfb_left ? left : 0) | (mask & rfb_middle ? middle : 0) |
                           (mask & rfb_right ? right : 0));
}

}  // namespace

class VncServer::Impl {
 public:
    Impl(host::EventLoop& loop, host::UniqueFd listener, const KeyboardLayout& layout, std::string password)
        : loop_(loop),
          listener_(std::move(listener)),
          layout_(layout),
          password_(std::move(password)),
          nothing_(std::size_t{first_width} * first_height) {}

    ~Impl() {
        if (screen_) {
            rfbShutdownServer(screen_, TRUE);
            rfbScreenCleanup(screen_);
        }
    }

    Result<> open() {
        rfbLogEnable(0);
        rfbMaxClientWait = patience_with_viewers;
        screen_ = rfbGetScreen(nullptr, nullptr, first_width, first_height, 8, 3, 4);
        if (!screen_) return fail("the VNC server cannot be made");
        screen_->screenData = this;
        screen_->desktopName = "Softmetal";
        screen_->port = screen_->ipv6port = 0;  // it is we who listen
        screen_->alwaysShared = TRUE;
        screen_->cursor = nullptr;  // the guest draws its own
        screen_->deferUpdateTime = 0;
        screen_->permitFileTransfer = FALSE;
        screen_->frameBuffer = reinterpret_cast<char*>(nothing_.data());
        use_pixel_format();
        if (!password_.empty()) {
            screen_->authPasswdData = passwords_.data();
            screen_->passwordCheck = rfbCheckPasswordByList;
        }
        screen_->newClientHook = [](rfbClientPtr client) { return self(client).viewer_came(client); };
        screen_->kbdAddEvent = [](rfbBool down, rfbKeySym keysym, rfbClientPtr client) {
            self(client).typed(client, keysym, down);
        };
        screen_->ptrAddEvent = [](int mask, int x, int y, rfbClientPtr client) {
            self(client).pointed(client, mask, x, y);
        };
        frame_timer_ = loop_.create_timer([this] { ask_for_frame(); });
        auto watch = loop_.watch(listener_.get(), {.read = true}, [this](host::Readiness) { let_in(); });
        if (!watch) return std::unexpected(watch.error());
        listener_watch_ = std::move(*watch);
        return {};
    }

    Result<> show(ScreenViewer viewer) {
        machine_watch_.reset();
        machine_ = std::make_shared<ScreenViewer>(std::move(viewer));
        frame_asked_for_ = false;
        auto watch = loop_.watch(machine_->fd(), {.read = true}, [this](host::Readiness ready) {
            if (ready.write) {
                (void)machine_->flush();  // reading says what happened
                update_interest();
            }
            if (ready.read) machine_spoke();
        });
        if (!watch) return std::unexpected(watch.error());
        machine_watch_ = std::move(*watch);
        ask_for_frame();
        return {};
    }

 private:
    /// One connected viewer. The descriptor is ours: the library may close its own at any time.
    struct Connection {
        explicit Connection(const KeyboardLayout& layout) : keyboard(layout) {}
        host::UniqueFd socket;
        KeyboardTranslator keyboard;
        int buttons = 0;
        bool resized = false;  // since it connected, and it may not know
        std::unique_ptr<host::EventLoop::Watch> watch;
    };

    static Impl& self(rfbClientPtr client) { return *static_cast<Impl*>(client->screen->screenData); }

    void use_pixel_format() {
        screen_->serverFormat.redShift = 16;
        screen_->serverFormat.greenShift = 8;
        screen_->serverFormat.blueShift = 0;
    }

    /// A viewer is greeted with the picture's size, which may have changed while nobody looked, and not every
    /// viewer understands that it changes: so it waits for a frame.
    void let_in() {
        host::UniqueFd socket = host::accept_connection(listener_.get());
        if (!socket.valid()) return;
        waiting_.push_back(std::move(socket));
        if (!machine_watch_) return greet();
        stir();
        ask_for_frame();
    }

    void greet() {
        for (host::UniqueFd& socket : std::exchange(waiting_, {}))
            rfbNewClient(screen_, socket.release());  // it closes what it does not like
        pump();
    }

    rfbNewClientAction viewer_came(rfbClientPtr client) {
        auto connection = std::make_unique<Connection>(layout_);
        connection->socket = host::duplicate(client->sock);
        auto watch =
            loop_.watch(connection->socket.get(), {.read = true}, [this](host::Readiness) { pump(); });
        if (!watch) return RFB_CLIENT_REFUSE;
        connection->watch = std::move(*watch);
        connections_[client] = std::move(connection);
        client->clientGoneHook = [](rfbClientPtr gone) { self(gone).viewer_went(gone); };
        stir();
        return RFB_CLIENT_ACCEPT;
    }

    void viewer_went(rfbClientPtr client) {
        const auto found = connections_.find(client);
        if (found == connections_.end()) return;
        send(found->second->keyboard.release_all());
        connections_.erase(found);
    }

    /// The library reads what viewers say and sends what they lack.
    void pump() {
        tell_size();
        rfbProcessEvents(screen_, 0);
    }

    /// The library tells of a new size only whom it knows to understand it by then; a viewer that is still
    /// shaking hands would never hear of it.
    void tell_size() {
        for (auto& [client, connection] : connections_)
            if (connection->resized && client->useNewFBSize) {
                client->newFBSizePending = TRUE;
                connection->resized = false;
            }
    }

    void typed(rfbClientPtr client, u32 keysym, bool down) {
        const auto found = connections_.find(client);
        if (found == connections_.end()) return;
        send(found->second->keyboard.translate(keysym, down));
        stir();
    }

    bool send(const Record& record) {
        if (!machine_watch_) return false;
        const bool sent = machine_->send(record);
        update_interest();
        return sent;
    }

    void update_interest() { machine_watch_->set_interest({.read = true, .write = machine_->has_unsent()}); }

    void send(const std::vector<KeyEvent>& events) {
        for (const KeyEvent& e : events) (void)send(key_record(e.key, e.down));
    }

    void pointed(rfbClientPtr client, int mask, int x, int y) {
        const auto found = connections_.find(client);
        if (found == connections_.end() || x < 0 || y < 0) return;
        const int pressed = mask & ~std::exchange(found->second->buttons, mask);
        const int wheel = (pressed & rfb_wheel_down ? 1 : 0) - (pressed & rfb_wheel_up ? 1 : 0);
        const int right = screen_->width - 1, bottom = screen_->height - 1;
        (void)send(pointer_record({.x = static_cast<u16>(std::min(x, right)),
                                   .y = static_cast<u16>(std::min(y, bottom)),
                                   .width = static_cast<u16>(screen_->width),
                                   .height = static_cast<u16>(screen_->height),
                                   .buttons = buttons_of(mask),
                                   .wheel = static_cast<i8>(wheel)}));
        stir();
    }

    /// Something happens: frames come quickly again.
    void stir() {
        unchanged_frames_ = 0;
        if (!frame_asked_for_) frame_timer_->arm(std::max(next_frame_, host::monotonic_nanoseconds()));
    }

    void ask_for_frame() {
        if (frame_asked_for_ || !machine_ || (connections_.empty() && waiting_.empty())) return;
        frame_asked_for_ = send(Record{.kind = Record::Kind::frame_wanted});
    }

    void machine_spoke() {
        const auto received = machine_->receive();
        // Its last picture stays; another machine may come.
        if (received == ScreenViewer::Received::gone) {
            machine_watch_.reset();
            return greet();
        }
        if (received != ScreenViewer::Received::frame) return;
        frame_asked_for_ = false;
        const auto changes = machine_->take_changes();
        const bool resized = static_cast<u32>(screen_->width) != machine_->width() ||
                             static_cast<u32>(screen_->height) != machine_->height();
        if (resized || shown_ != machine_)
            take_over();
        else
            mark(changes);
        greet();
        unchanged_frames_ = changes.empty() ? unchanged_frames_ + 1 : 0;
        const u64 now = host::monotonic_nanoseconds();
        next_frame_ = now + frame_interval;
        frame_timer_->arm(unchanged_frames_ < frames_until_rest ? next_frame_ : now + resting_interval);
    }

    void mark(const std::vector<Rectangle>& changes) {
        for (const Rectangle& r : changes)
            rfbMarkRectAsModified(screen_, static_cast<int>(r.x), static_cast<int>(r.y),
                                  static_cast<int>(r.x + r.width), static_cast<int>(r.y + r.height));
    }

    /// Another surface, another size.
    void take_over() {
        const auto width = static_cast<int>(machine_->width()), height = static_cast<int>(machine_->height());
        rfbNewFramebuffer(screen_, reinterpret_cast<char*>(machine_->surface().data()), width, height, 8, 3,
                          4);
        shown_ = machine_;
        // The library has just set the pixel format that it would have chosen.
        use_pixel_format();
        rfbClientIteratorPtr all = rfbGetClientIterator(screen_);
        while (rfbClientPtr client = rfbClientIteratorNext(all)) screen_->setTranslateFunction(client);
        rfbReleaseClientIterator(all);
        for (auto& [client, connection] : connections_) connection->resized = true;
        rfbMarkRectAsModified(screen_, 0, 0, width, height);
    }

    host::EventLoop& loop_;
    host::UniqueFd listener_;
    const KeyboardLayout& layout_;
    std::string password_;
    std::array<char*, 2> passwords_{password_.data(), nullptr};  // a list, as the library wants it
    std::vector<u32> nothing_;                                   // shown before the first frame
    std::shared_ptr<ScreenViewer> machine_, shown_;
    rfbScreenInfoPtr screen_ = nullptr;
    std::vector<host::UniqueFd> waiting_;  // viewers that are not greeted yet
    std::map<rfbClientPtr, std::unique_ptr<Connection>> connections_;
    bool frame_asked_for_ = false;
    unsigned unchanged_frames_ = 0;
    u64 next_frame_ = 0;
    std::unique_ptr<host::EventLoop::Timer> frame_timer_;
    std::unique_ptr<host::EventLoop::Watch> listener_watch_, machine_watch_;
};

VncServer::VncServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VncServer::~VncServer() = default;

Result<std::unique_ptr<VncServer>> VncServer::create(host::EventLoop& loop, host::UniqueFd listener,
                                                     const KeyboardLayout& layout,
                                                     const std::string& password) {
    auto impl = std::make_unique<Impl>(loop, std::move(listener), layout, password);
    if (auto opened = impl->open(); !opened) return std::unexpected(opened.error());
    return std::unique_ptr<VncServer>(new VncServer(std::move(impl)));
}

Result<> VncServer::show(ScreenViewer viewer) { return impl_->show(std::move(viewer)); }

}  // namespace softmetal::display
