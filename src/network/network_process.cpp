#include "network/network_process.hpp"

#include "bus/backends/network_link.hpp"
#include "host/frame_socket.hpp"
#include "host/jail.hpp"
#include "network/capture_file.hpp"

#include <chrono>
#include <deque>

namespace softmetal::network {

namespace {

constexpr int parent_is_gone = 1;
/// Frames of the guest's that are looked at before sockets have their turn.
constexpr unsigned burst = 256;
/// What waits for a guest that does not look; then frames are lost, and TCP slows down.
constexpr std::size_t most_waiting = 4096;

u64 nanoseconds_since_1970() {
    using namespace std::chrono;
    return static_cast<u64>(duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count());
}

/// The guest's end of the cable, with frames that its socket has no room for yet.
class Cable {
 public:
    Cable(host::UniqueFd socket, std::unique_ptr<CaptureFile> capture)
        : socket_(std::move(socket)), capture_(std::move(capture)) {}

    [[nodiscard]] int fd() const { return socket_.get(); }
    [[nodiscard]] bool waits_for_room() const { return !waiting_.empty(); }
    /// The guest's end is closed: nothing will ever come from there.
    [[nodiscard]] bool closed() const { return reader_.over(); }

    void send(std::span<const std::byte> frame) {
        capture(frame);
        if (waiting_.empty() && host::send_frame(fd(), frame) != host::FrameSent::full) return;
        if (waiting_.size() < most_waiting) waiting_.emplace_back(frame.begin(), frame.end());
    }
    void send_waiting() {
        while (!waiting_.empty() && host::send_frame(fd(), waiting_.front()) != host::FrameSent::full)
            waiting_.pop_front();
    }
    /// False where there is none now.
    [[nodiscard]] bool receive(Nat& nat) {
        const auto frame = reader_.front(fd());
        if (frame.empty()) return false;
        capture(frame);
        if (frame.size() >= bus::ethernet_header_bytes) nat.input(frame);
        reader_.pop();
        return true;
    }
    void flush_capture() {
        if (capture_) capture_->flush();
    }

 private:
    void capture(std::span<const std::byte> frame) {
        if (capture_) capture_->add(nanoseconds_since_1970(), frame);
    }

    host::UniqueFd socket_;
    std::unique_ptr<CaptureFile> capture_;
    host::FrameReader reader_{bus::ethernet_frame_max};
    std::deque<std::vector<std::byte>> waiting_;
};

/// Until the parent is gone.
void serve(host::ControlSocket& control, Cable& cable, Nat& nat) {
    host::PollSet set;
    for (bool more = false;;) {
        set.clear();
        const int parent = set.add(control.fd(), {.read = true});
        if (!cable.closed()) set.add(cable.fd(), {.read = true, .write = cable.waits_for_room()});
        const u32 patience = nat.prepare(set);
        cable.flush_capture();
        const bool ready = set.wait(more ? 0 : patience);
        const auto of_parent = set.events(parent);
        if (ready && (of_parent.read || of_parent.hang_up || of_parent.error)) return;
        cable.send_waiting();
        more = true;
        for (unsigned i = 0; i < burst && more; i++) more = cable.receive(nat);
        nat.dispatch(set, ready);
    }
}

}  // namespace

int run_network_process(host::ControlSocket control) {
    auto received = control.receive();
    if (!received || !*received) return parent_is_gone;
    auto& descriptors = (*received)->descriptors;
    const auto request = decode_network_request((*received)->bytes);
    if (!request || descriptors.size() != (request->has_capture ? 2u : 1u)) return parent_is_gone;
    std::unique_ptr<CaptureFile> capture;
    if (request->has_capture)
        capture = std::make_unique<CaptureFile>(std::move(descriptors[1]), u32{bus::ethernet_frame_max});
    Cable cable(std::move(descriptors[0]), std::move(capture));

    NetworkReport report;
    auto nat = Nat::create(request->nat, [&cable](std::span<const std::byte> frame) { cable.send(frame); });
    if (!nat) report.error = nat.error().message;
    if (nat) {
        auto jailed = host::enter_jail(host::Jail::network);
        if (jailed)
            report.refused_defences = std::move(jailed->refused);
        else
            report.error = jailed.error().message;
    }
    if (!control.send(encode(report))) return parent_is_gone;
    if (report.error.empty()) serve(control, cable, **nat);
    return 0;
}

}  // namespace softmetal::network
