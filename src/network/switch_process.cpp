#include "network/switch_process.hpp"

#include "host/abstract_socket.hpp"
#include "host/child_process.hpp"
#include "host/jail.hpp"
#include "host/monotonic_time.hpp"
#include "host/poll_set.hpp"
#include "host/private_directory.hpp"
#include "network/cable.hpp"
#include "network/learning_switch.hpp"

#include <array>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <vector>

namespace softmetal::network {

namespace {

constexpr std::array<u8, 1> greeting = {1};
constexpr int cannot_work = 1;
constexpr std::size_t most_ports = 64;
/// Frames of one port's before the others have their turn.
constexpr unsigned burst = 64;
/// How long the switch waits for somebody, and a machine for the switch, in milliseconds.
constexpr u32 patience = 10'000;
constexpr u64 nanoseconds_per_millisecond = 1'000'000;

class Switch {
 public:
    explicit Switch(host::ControlSocket listener) : listener_(std::move(listener)) {}

    /// Until nobody is plugged in any more.
    void serve() {
        for (;;) {
            prepare();
            if (!set_.wait(deadline())) continue;
            if (set_.events(listener_entry_).read) let_in();
            greet();
            more_ = false;
            for (auto& [port, entry] : cable_entries_) forward(port);
            for (const LearningSwitch::Port port : unplug_closed()) learning_.forget(port);
            const u64 now = host::monotonic_nanoseconds();
            if (!cables_.empty()) last_served_ = now;
            // A machine that has connected is waited for, but not for ever.
            const bool awaited = !visitors_.empty() || !served_;
            if (cables_.empty() && (!awaited || now - last_served_ > patience * nanoseconds_per_millisecond))
                return;
        }
    }

 private:
    [[nodiscard]] std::optional<u32> deadline() const {
        if (more_) return 0;
        return cables_.empty() ? std::optional(patience) : std::nullopt;
    }

    void prepare() {
        set_.clear();
        cable_entries_.clear();
        listener_entry_ = set_.add(listener_.fd(), {.read = true});
        for (Visitor& v : visitors_) v.entry = set_.add(v.socket.fd(), {.read = true});
        for (auto& [port, cable] : cables_) {
            cable.flush_capture();
            cable_entries_[port] = set_.add(cable.fd(), {.read = true, .write = cable.waits_for_room()});
        }
    }

    void let_in() {
        host::UniqueFd socket = host::accept_frames(listener_.fd());
        if (socket.valid() && visitors_.size() + cables_.size() < most_ports)
            visitors_.push_back({host::ControlSocket(std::move(socket)), -1});
    }

    /// Those who have said what they want.
    void greet() {
        std::erase_if(visitors_, [this](Visitor& v) {
            const auto events = set_.events(v.entry);
            if (!events.read && !events.hang_up && !events.error) return false;
            auto asked = v.socket.receive();
            if (!asked || !*asked || (*asked)->bytes.size() != greeting.size() ||
                (*asked)->bytes[0] != greeting[0] || (*asked)->descriptors.size() > 1)
                return true;
            if (host::send_frame(v.socket.fd(), std::as_bytes(std::span(greeting))) != host::FrameSent::sent)
                return true;
            auto& files = (*asked)->descriptors;
            cables_.emplace(std::piecewise_construct, std::forward_as_tuple(next_port_++),
                            std::forward_as_tuple(v.socket.take_fd(),
                                                  files.empty() ? host::UniqueFd() : std::move(files[0])));
            served_ = true;
            return true;
        });
    }

    void forward(LearningSwitch::Port from) {
        const auto source = cables_.find(from);
        if (source == cables_.end()) return;
        source->second.send_waiting();
        unsigned count = 0;
        for (; count < burst; ++count) {
            const auto frame = source->second.front();
            if (frame.empty()) return;
            const auto to = learning_.destination(from, frame);
            for (auto& [port, cable] : cables_)
                if (port != from && (!to || *to == port)) cable.send(frame);
            source->second.pop();
        }
        more_ = true;
    }

    std::vector<LearningSwitch::Port> unplug_closed() {
        std::vector<LearningSwitch::Port> gone;
        std::erase_if(cables_, [&gone](const auto& item) {
            if (item.second.closed()) gone.push_back(item.first);
            return item.second.closed();
        });
        return gone;
    }

    struct Visitor {
        host::ControlSocket socket;
        int entry;
    };
    host::ControlSocket listener_;
    host::PollSet set_;
    int listener_entry_ = -1;
    std::vector<Visitor> visitors_;
    std::map<LearningSwitch::Port, Cable> cables_;
    std::map<LearningSwitch::Port, int> cable_entries_;
    LearningSwitch learning_;
    LearningSwitch::Port next_port_ = 0;
    bool more_ = false, served_ = false;
    u64 last_served_ = host::monotonic_nanoseconds();
};

/// None where the switch ended while we came.
Result<std::optional<host::UniqueFd>> plug_in(host::UniqueFd socket, int capture) {
    host::ControlSocket conversation(std::move(socket));
    const std::array files = {capture};
    if (!conversation.send(greeting, std::span(files).first(capture >= 0 ? 1 : 0))) return std::nullopt;
    host::PollSet set;
    const int entry = set.add(conversation.fd(), {.read = true});
    if (!set.wait(patience) || !set.events(entry).read) return fail("the switch does not answer");
    const auto answer = conversation.receive();
    if (!answer || !*answer) return std::nullopt;
    return std::optional(conversation.take_fd());
}

}  // namespace

Result<host::UniqueFd> plug_into_switch(const std::string& name, int capture) {
    const auto directory = host::private_directory();
    if (!directory) return std::unexpected(directory.error());
    const std::string path = fmt::format("{}/switch-{}", *directory, name);
    constexpr u32 pause = 20;
    // One machine at a time looks for a switch, and starts one where there is none.
    for (u32 waited = 0; waited < patience; waited += pause) {
        auto turn = host::claim_name("switch-" + name);
        if (!turn) return std::unexpected(turn.error());
        if (*turn) {
            host::UniqueFd socket = host::connect_for_frames(path);
            if (!socket.valid()) {
                auto listener = host::listen_for_frames(path);
                if (!listener) return std::unexpected(listener.error());
                if (auto started = host::ChildProcess::start_self_alone({"softmetal", "switch-process"},
                                                                        std::move(*listener));
                    !started)
                    return std::unexpected(started.error());
                socket = host::connect_for_frames(path);
            }
            auto cable = plug_in(std::move(socket), capture);
            if (!cable) return std::unexpected(cable.error());
            if (*cable) return std::move(**cable);
        }
        host::PollSet().wait(pause);
    }
    return fail(fmt::format("the switch '{}' cannot be started", name));
}

int run_switch_process(host::ControlSocket listener) {
    if (!host::enter_jail(host::Jail::viewers)) return cannot_work;
    Switch(std::move(listener)).serve();
    return 0;
}

}  // namespace softmetal::network
