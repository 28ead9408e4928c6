#include "window.hpp"

#include "host/monotonic_time.hpp"

#include <SDL.h>
#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace softmetal {
namespace {

constexpr u64 millisecond = 1'000'000;
constexpr u64 frame_interval = 16 * millisecond, resting_interval = 100 * millisecond;
constexpr unsigned frames_until_rest = 60;  // without a change or a key
constexpr int wait_for_frame = 2;           // milliseconds between looks at the link
constexpr u64 patience_after_reset = 3000 * millisecond;
constexpr u64 reconnect_interval = 100 * millisecond;
constexpr int first_width = 1024, first_height = 768;
constexpr const char* title = "Softmetal - Ctrl+Alt+F: full screen, Ctrl+Alt+G: keyboard grab";

struct Destroy {
    void operator()(SDL_Window* w) const { SDL_DestroyWindow(w); }
    void operator()(SDL_Renderer* r) const { SDL_DestroyRenderer(r); }
    void operator()(SDL_Texture* t) const { SDL_DestroyTexture(t); }
};

u8 buttons_of(u32 mask) {
    using namespace bus::pointer_button;
    return static_cast<u8>((mask & SDL_BUTTON_LMASK ? left : 0) | (mask & SDL_BUTTON_MMASK ? middle : 0) |
                           (mask & SDL_BUTTON_RMASK ? right : 0) | (mask & SDL_BUTTON_X1MASK ? back : 0) |
                           (mask & SDL_BUTTON_X2MASK ? forward : 0));
}

std::unexpected<Error> sdl_failure(const char* what) {
    return fail(fmt::format("{}: {}", what, SDL_GetError()));
}

}  // namespace

class Window::Impl {
 public:
    explicit Impl(Connect connect) : connect_(std::move(connect)) {}
    ~Impl() {
        texture_.reset();
        renderer_.reset();
        window_.reset();
        SDL_Quit();
    }

    Result<> open(bool full_screen) {
        auto viewer = connect_();
        if (!viewer) return std::unexpected(viewer.error());
        viewer_.emplace(std::move(*viewer));
        if (SDL_Init(SDL_INIT_VIDEO) != 0) return sdl_failure("there is no display");
        const u32 flags =
            SDL_WINDOW_RESIZABLE | (full_screen ? static_cast<u32>(SDL_WINDOW_FULLSCREEN_DESKTOP) : 0);
        window_.reset(SDL_CreateWindow(title, SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, first_width,
                                       first_height, flags));
        if (!window_) return sdl_failure("cannot open a window");
        renderer_.reset(SDL_CreateRenderer(&*window_, -1, 0));
        if (!renderer_) return sdl_failure("cannot draw into the window");
        return {};
    }

    Result<> run() {
        while (!closed_) {
            SDL_Event event;
            if (SDL_WaitEventTimeout(&event, time_to_wait())) {
                handle(event);
                while (SDL_PollEvent(&event)) handle(event);
            }
            if (!viewer_) {
                if (!reconnect()) return {};
                continue;
            }
            if (auto shown = take_frame(); !shown) return shown;
            ask_for_frame();
        }
        return {};
    }

 private:
    static u64 now() { return host::monotonic_nanoseconds(); }

    int time_to_wait() const {
        if (!viewer_) return static_cast<int>(reconnect_interval / millisecond);
        if (frame_asked_for_) return wait_for_frame;
        const u64 time = now();
        return next_frame_ > time ? static_cast<int>((next_frame_ - time) / millisecond) + 1 : 0;
    }

    /// False once that has been tried for long enough.
    bool reconnect() {
        if (auto viewer = connect_()) {
            viewer_.emplace(std::move(*viewer));
            texture_.reset();
            frame_asked_for_ = false;
            return true;
        }
        return now() < gone_since_ + patience_after_reset;
    }

    void ask_for_frame() {
        if (!viewer_ || frame_asked_for_ || now() < next_frame_) return;
        frame_asked_for_ = viewer_->send({.kind = display::Record::Kind::frame_wanted});
        if (!frame_asked_for_) lose_machine();
    }

    void lose_machine() {
        viewer_.reset();
        down_.clear();
        gone_since_ = now();
    }

    Result<> take_frame() {
        const auto received = viewer_->receive();
        if (received == display::ScreenViewer::Received::gone || !viewer_->flush()) {
            lose_machine();
            return {};
        }
        if (received != display::ScreenViewer::Received::frame) return {};
        frame_asked_for_ = false;
        const auto changes = viewer_->take_changes();
        if (auto fitted = fit_texture(); !fitted) return fitted;
        for (const display::Rectangle& r : changes) upload(r);
        unchanged_frames_ = changes.empty() ? unchanged_frames_ + 1 : 0;
        next_frame_ = now() + (unchanged_frames_ < frames_until_rest ? frame_interval : resting_interval);
        if (!changes.empty()) present();
        return {};
    }

    Result<> fit_texture() {
        const int width = static_cast<int>(viewer_->width()), height = static_cast<int>(viewer_->height());
        if (texture_ && width == width_ && height == height_) return {};
        const bool resized = width != width_ || height != height_;
        width_ = width;
        height_ = height;
        texture_.reset(SDL_CreateTexture(&*renderer_, SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING,
                                         width, height));
        if (!texture_) return sdl_failure("cannot make a texture");
        SDL_RenderSetLogicalSize(&*renderer_, width, height);
        if (resized && !full_screen()) SDL_SetWindowSize(&*window_, width, height);
        upload({0, 0, viewer_->width(), viewer_->height()});
        return {};
    }

    /// A machine gone wrong may name what is no part of its picture.
    void upload(const display::Rectangle& r) {
        if (r.x + r.width > viewer_->width() || r.y + r.height > viewer_->height()) return;
        const SDL_Rect area{static_cast<int>(r.x), static_cast<int>(r.y), static_cast<int>(r.width),
                            static_cast<int>(r.height)};
        const std::size_t first = std::size_t{r.y} * viewer_->width() + r.x;
        SDL_UpdateTexture(&*texture_, &area, viewer_->pixels().subspan(first).data(), width_ * 4);
    }

    void present() {
        if (!texture_) return;
        SDL_SetRenderDrawColor(&*renderer_, 0, 0, 0, SDL_ALPHA_OPAQUE);
        SDL_RenderClear(&*renderer_);
        SDL_RenderCopy(&*renderer_, &*texture_, nullptr, nullptr);
        SDL_RenderPresent(&*renderer_);
    }

    [[nodiscard]] bool full_screen() const {
        return SDL_GetWindowFlags(&*window_) & SDL_WINDOW_FULLSCREEN_DESKTOP;
    }

    void handle(const SDL_Event& event) {
        switch (event.type) {
            case SDL_QUIT: closed_ = true; return;
            case SDL_WINDOWEVENT: return handle_window(event.window.event);
            case SDL_KEYDOWN:
            case SDL_KEYUP: return handle_key(event.key);
            case SDL_MOUSEMOTION: return send_pointer(event.motion.x, event.motion.y, event.motion.state, 0);
            case SDL_MOUSEBUTTONDOWN:
            case SDL_MOUSEBUTTONUP:
                return send_pointer(event.button.x, event.button.y, SDL_GetMouseState(nullptr, nullptr), 0);
            case SDL_MOUSEWHEEL:
                return send_pointer(x_, y_, SDL_GetMouseState(nullptr, nullptr), -event.wheel.y);
            default: return;
        }
    }

    void handle_window(u8 event) {
        if (event == SDL_WINDOWEVENT_FOCUS_LOST) release_keys();
        if (event == SDL_WINDOWEVENT_EXPOSED || event == SDL_WINDOWEVENT_SIZE_CHANGED) present();
    }

    void handle_key(const SDL_KeyboardEvent& event) {
        constexpr unsigned last_usage = 0xff;
        const bool down = event.type == SDL_KEYDOWN;
        const SDL_Scancode place = event.keysym.scancode;
        const bool hot = event.keysym.mod & KMOD_CTRL && event.keysym.mod & KMOD_ALT;
        if (down && hot && (place == SDL_SCANCODE_F || place == SDL_SCANCODE_G)) {
            release_keys();  // of which the hot key's modifiers are the guest's, too
            if (place == SDL_SCANCODE_F)
                SDL_SetWindowFullscreen(&*window_, full_screen() ? 0 : SDL_WINDOW_FULLSCREEN_DESKTOP);
            else
                SDL_SetWindowKeyboardGrab(&*window_,
                                          SDL_GetWindowKeyboardGrab(&*window_) ? SDL_FALSE : SDL_TRUE);
            return;
        }
        if (static_cast<unsigned>(place) > last_usage) return;
        const auto key = bus::Key{static_cast<u8>(place)};  // SDL's scancodes are USB's usages
        if (down)
            down_.insert(key);
        else if (down_.erase(key) == 0)
            return;
        send(display::key_record(key, down));
    }

    void release_keys() {
        for (const bus::Key key : std::exchange(down_, {})) send(display::key_record(key, false));
    }

    /// Coordinates are the picture's: the renderer has scaled them.
    void send_pointer(int x, int y, u32 buttons, int wheel) {
        if (width_ == 0) return;
        x_ = std::clamp(x, 0, width_ - 1);
        y_ = std::clamp(y, 0, height_ - 1);
        send(display::pointer_record({.x = static_cast<u16>(x_),
                                      .y = static_cast<u16>(y_),
                                      .width = static_cast<u16>(width_),
                                      .height = static_cast<u16>(height_),
                                      .buttons = buttons_of(buttons),
                                      .wheel = static_cast<i8>(std::clamp(wheel, -127, 127))}));
    }

    void send(const display::Record& record) {
        unchanged_frames_ = 0;
        next_frame_ = std::min(next_frame_, now() + frame_interval);
        if (viewer_ && !viewer_->send(record)) lose_machine();
    }

    Connect connect_;
    std::optional<display::ScreenViewer> viewer_;
    std::unique_ptr<SDL_Window, Destroy> window_;
    std::unique_ptr<SDL_Renderer, Destroy> renderer_;
    std::unique_ptr<SDL_Texture, Destroy> texture_;
    int width_ = 0, height_ = 0;  // of the picture
    int x_ = 0, y_ = 0;           // of the pointer on it
    std::set<bus::Key> down_;
    bool closed_ = false, frame_asked_for_ = false;
    unsigned unchanged_frames_ = 0;
    u64 next_frame_ = 0, gone_since_ = 0;
};

Window::Window(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Window::~Window() = default;

Result<std::unique_ptr<Window>> Window::open(Connect connect, bool full_screen) {
    auto impl = std::make_unique<Impl>(std::move(connect));
    if (auto opened = impl->open(full_screen); !opened) return std::unexpected(opened.error());
    return std::unique_ptr<Window>(new Window(std::move(impl)));
}

Result<> Window::run() { return impl_->run(); }

}  // namespace softmetal
