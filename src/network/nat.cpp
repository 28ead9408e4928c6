#include "network/nat.hpp"

#include "bus/backends/network_link.hpp"
#include "bus/backends/tcp_frame.hpp"
#include "host/monotonic_time.hpp"
#include "network/segmentation.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <list>
#include <slirp/libslirp.h>

namespace softmetal::network {

namespace {

constexpr i64 nanoseconds_per_millisecond = 1'000'000;
constexpr std::size_t longest_packet = 65521;  // libslirp takes no more

in_addr ipv4(const char* text) {
    in_addr address{};
    inet_pton(AF_INET, text, &address);
    return address;
}

in6_addr ipv6(const char* text) {
    in6_addr address{};
    inet_pton(AF_INET6, text, &address);
    return address;
}

const char* const guest_address = "10.0.2.15";

i64 now() { return static_cast<i64>(host::monotonic_nanoseconds()); }

/// One of libslirp's, in milliseconds of its clock.
struct Timer {
    SlirpTimerCb callback;
    void* context;
    i64 deadline = std::numeric_limits<i64>::max();
};

}  // namespace

struct Nat::Parts {
    Output output;
    std::list<Timer> timers;
    SlirpCb callbacks{};
    Slirp* slirp = nullptr;

    ~Parts() {
        if (slirp) slirp_cleanup(slirp);
    }

    static Parts& self(void* opaque) { return *static_cast<Parts*>(opaque); }

    void set_callbacks() {
        callbacks.send_packet = [](const void* frame, std::size_t size, void* opaque) -> ssize_t {
            const std::span whole(static_cast<const std::byte*>(frame), size);
            // libslirp is told that any packet fits; only TCP's are as long as the guest has allowed.
            if (size > bus::ethernet_frame_max && !bus::TcpFrame::parse(whole))
                cut_frame(whole, self(opaque).output);
            else
                self(opaque).output(whole);
            return static_cast<ssize_t>(size);
        };
        callbacks.guest_error = [](const char*, void*) {};
        callbacks.clock_get_ns = [](void*) -> i64 { return now(); };
        callbacks.timer_new = [](SlirpTimerCb callback, void* context, void* opaque) -> void* {
            return &self(opaque).timers.emplace_back(callback, context);
        };
        callbacks.timer_free = [](void* timer, void* opaque) {
            self(opaque).timers.remove_if([timer](const Timer& t) { return &t == timer; });
        };
        callbacks.timer_mod = [](void* timer, i64 deadline, void*) {
            static_cast<Timer*>(timer)->deadline = deadline;
        };
        callbacks.register_poll_fd = [](int, void*) {};
        callbacks.unregister_poll_fd = [](int, void*) {};
        callbacks.notify = [](void*) {};
    }

    void run_timers() {
        const i64 time = now() / nanoseconds_per_millisecond;
        for (Timer& t : timers) {
            if (t.deadline > time) continue;
            t.deadline = std::numeric_limits<i64>::max();
            t.callback(t.context);
        }
    }
};

Nat::Nat(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Nat::~Nat() = default;

Result<std::unique_ptr<Nat>> Nat::create(const Config& config, Output output) {
    auto parts = std::make_unique<Parts>();
    parts->output = std::move(output);
    parts->set_callbacks();
    SlirpConfig slirp{};
    slirp.version = 3;
    slirp.in_enabled = true;
    slirp.if_mtu = slirp.if_mru = longest_packet;
    slirp.vnetwork = ipv4("10.0.2.0");
    slirp.vnetmask = ipv4("255.255.255.0");
    slirp.vhost = ipv4("10.0.2.2");
    slirp.vdhcp_start = ipv4(guest_address);
    // A name server that is not of the private network is one like any other host: its packets are
    // translated.
    slirp.vnameserver = ipv4(config.name_server.empty() ? "10.0.2.3" : config.name_server.c_str());
    slirp.disable_dns = true;
    if (!config.boot_file.empty()) slirp.bootfile = config.boot_file.c_str();
    slirp.in6_enabled = true;
    slirp.vprefix_addr6 = ipv6("fd00::");
    slirp.vprefix_len = 64;
    slirp.vhost6 = ipv6("fd00::2");
    slirp.vnameserver6 = ipv6("fd00::3");
    parts->slirp = slirp_new(&slirp, &parts->callbacks, parts.get());
    if (!parts->slirp) return fail("libslirp refuses to work");
    for (const PortForward& f : config.forwards) {
        if (slirp_add_hostfwd(parts->slirp, f.udp, ipv4(f.host_address.c_str()), f.host_port,
                              ipv4(guest_address), f.guest_port) != 0)
            return fail(fmt::format("cannot listen at {} port {} of {}: {}", f.udp ? "UDP" : "TCP",
                                    f.host_port, f.host_address, std::strerror(errno)));
    }
    return std::unique_ptr<Nat>(new Nat(std::move(parts)));
}

void Nat::input(std::span<const std::byte> frame) {
    slirp_input(parts_->slirp, reinterpret_cast<const u8*>(frame.data()), static_cast<int>(frame.size()));
}

u32 Nat::prepare(host::PollSet& set) {
    u32 milliseconds = std::numeric_limits<u32>::max();
    const auto add = [](int fd, int wanted, void* opaque) {
        return static_cast<host::PollSet*>(opaque)->add(fd, {.read = (wanted & SLIRP_POLL_IN) != 0,
                                                             .write = (wanted & SLIRP_POLL_OUT) != 0,
                                                             .urgent = (wanted & SLIRP_POLL_PRI) != 0});
    };
    slirp_pollfds_fill(parts_->slirp, &milliseconds, add, &set);
    const i64 time = now() / nanoseconds_per_millisecond;
    for (const Timer& t : parts_->timers)
        milliseconds = static_cast<u32>(std::clamp<i64>(t.deadline - time, 0, milliseconds));
    return milliseconds;
}

void Nat::dispatch(const host::PollSet& set, bool ready) {
    const auto happened = [](int number, void* opaque) {
        const auto events = static_cast<const host::PollSet*>(opaque)->events(number);
        return (events.read ? SLIRP_POLL_IN : 0) | (events.write ? SLIRP_POLL_OUT : 0) |
               (events.urgent ? SLIRP_POLL_PRI : 0) | (events.hang_up ? SLIRP_POLL_HUP : 0) |
               (events.error ? SLIRP_POLL_ERR : 0);
    };
    slirp_pollfds_poll(parts_->slirp, !ready, happened, const_cast<host::PollSet*>(&set));
    parts_->run_timers();
}

}  // namespace softmetal::network
