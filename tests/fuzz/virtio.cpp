// A driver may do anything to a virtio device: registers, configuration space, rings and buffers in its
// memory, in any order, while requests complete early, late or never.
#include "../unit/devices/virtio_driver.hpp"
#include "bus/backends/block_store.hpp"
#include "bus/backends/tcp_frame.hpp"
#include "devices/virtio_balloon/virtio_balloon.hpp"
#include "devices/virtio_block/virtio_block.hpp"
#include "devices/virtio_console/virtio_console.hpp"
#include "devices/virtio_net/virtio_net.hpp"
#include "devices/virtio_rng/virtio_rng.hpp"
#include "input.hpp"

using namespace softmetal;
using namespace softmetal::devices;

namespace {

constexpr u64 disk_bytes = 1 << 16;
constexpr u64 ram_bytes = 1 << 16;

/// Completes requests when it is told to.
class WaitingStore final : public bus::BlockStore {
 public:
    u64 size_bytes() const override { return disk_bytes; }
    bool read_only() const override { return false; }
    void read(u64 offset, std::span<std::byte> into, Completion done) override {
        check(offset, into.size());
        add([into] { std::ranges::fill(into, std::byte{0x5a}); }, std::move(done));
    }
    void write(u64 offset, std::span<const std::byte> from, Completion done) override {
        check(offset, from.size());
        add([this, from] { sum_ += from.empty() ? 0 : static_cast<unsigned>(from.back()); }, std::move(done));
    }
    void flush(Completion done) override {
        add([] {}, std::move(done));
    }
    void discard(u64 offset, u64 length, Completion done) override {
        check(offset, length);
        add([] {}, std::move(done));
    }
    void write_zeroes(u64 offset, u64 length, bool, Completion done) override {
        check(offset, length);
        add([] {}, std::move(done));
    }
    bool finish_one(bus::BlockStatus status) {
        if (waiting_.empty()) return false;
        auto request = std::move(waiting_.front());
        waiting_.pop_front();
        request.first();
        request.second(status);
        return true;
    }
    void finish_all() {
        while (finish_one(bus::BlockStatus::ok)) {
        }
    }

 private:
    static void check(u64 offset, u64 length) {
        if (offset > disk_bytes || length > disk_bytes - offset) fuzz::fail("a request outside the disk");
    }
    void add(std::function<void()> work, Completion done) {
        waiting_.emplace_back(std::move(work), std::move(done));
    }
    std::deque<std::pair<std::function<void()>, Completion>> waiting_;
    unsigned sum_ = 0;
};

/// Its card sends as it likes; frames for it come when the input says so.
struct FakeLink final : bus::NetworkLink {
    void connect(bus::NetworkCard& c) override { card = &c; }
    bool send(std::span<const std::byte> frame) override {
        const bool is_long = frame.size() > bus::ethernet_frame_max;
        if (frame.size() < bus::ethernet_header_bytes || frame.size() > bus::long_frame_max ||
            (is_long && !bus::TcpFrame::parse(frame)))
            fuzz::fail("an impossible frame");
        return !full;
    }
    void room() override {}
    void call_back() override {}
    bus::NetworkCard* card = nullptr;
    bool full = false;
};

/// Takes a little at a time; input is there when the fuzzer says so.
struct FakeStream final : bus::ByteStream {
    void write(std::span<const u8>) override {}
    std::size_t write_some(std::span<const u8> bytes) override {
        return std::min<std::size_t>(bytes.size(), room);
    }
    std::size_t read(std::span<u8> into) override {
        const std::size_t count = std::min<std::size_t>(into.size(), waiting);
        waiting -= count;
        return count;
    }
    void on_readable(std::function<void()> callback) override { readable = std::move(callback); }
    void on_writable(const std::function<void()>& callback) override { writable = callback; }
    std::size_t room = 100, waiting = 0;
    std::function<void()> readable, writable;
};

struct FakeReclaim final : bus::MemoryReclaim {
    u64 reclaim(GuestPhysical, u64 bytes) override { return bytes; }
};

enum class Kind { entropy, block, network, balloon, console };

struct Bench : devices::testing::VirtioBench {
    WaitingStore store;
    FakeLink link;
    FakeStream stream;
    FakeReclaim reclaim;
    VirtioBalloon* balloon = nullptr;
    ~Bench() { clear(); }
    /// As after its construction, which takes a while.
    void clear() {
        store.finish_all();
        link = {};
        device.reset();
        stream = {};
        ram.load(std::vector<std::byte>(ram_bytes));
        messages.sent.clear();
        line.set_level(false);
        ring.available = ring.seen = 0;
    }
};

std::unique_ptr<virtio::Model> model(Bench& bench, Kind kind) {
    if (kind == Kind::block) return std::make_unique<VirtioBlock>(bench.store, "disk");
    if (kind == Kind::network) return std::make_unique<VirtioNet>(bench.link, MacAddress{2, 0, 0, 0, 0, 1});
    if (kind == Kind::balloon) {
        auto balloon = std::make_unique<VirtioBalloon>(bench.reclaim);
        bench.balloon = balloon.get();
        return balloon;
    }
    if (kind == Kind::console) return std::make_unique<VirtioConsole>(bench.stream);
    return std::make_unique<VirtioRng>(
        [](std::span<std::byte> into) { std::ranges::fill(into, std::byte{7}); });
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    static Bench bench;
    bench.clear();
    const u8 begin = input.take<u8>();
    const Kind kind = begin & 1    ? Kind::block
                      : begin & 8  ? Kind::network
                      : begin & 16 ? Kind::balloon
                      : begin & 32 ? Kind::console
                                   : Kind::entropy;
    bench.plug(model(bench, kind));
    // Mostly from where a driver has come to, so that the rings are reached.
    if (begin & 2) {
        bench.accept((begin & 4 ? bench.offered_features() : 0) | virtio::feature::version_1);
        bench.ring.size = 8;
        bench.set_queue();
        if (kind == Kind::balloon) bench.set_queue(virtio_balloon::statistics_queue, bench.ring);
        if (kind == Kind::network || kind == Kind::console)
            bench.set_queue(1, bench.ring);  // frames go round
        bench.set_status(15);
    }
    for (unsigned step = 0; step < 500 && !input.empty(); step++) {
        const u8 what = input.take<u8>();
        const unsigned width = 1u << (what >> 6);
        switch (what & 15) {
            case 0: {
                devices::testing::TestDescriptor d;
                d.address = input.take<u16>();
                d.length = what & 16 ? input.take<u32>() : input.take<u16>();
                d.flags = input.take<u8>();
                d.next = input.take<u8>();
                bench.ring.describe(input.take<u8>() % 16, d);
                break;
            }
            case 1: bench.ring.offer(input.take<u8>()); break;
            case 2: bench.notify(); break;
            case 3: {
                const u64 at = input.take<u16>();
                const auto bytes = input.take_bytes(std::min<u64>(16, ram_bytes - at));
                std::memcpy(bench.ram.at(at, bytes.size()).data(), bytes.data(), bytes.size());
                break;
            }
            case 4:
            case 5: (void)bench.store.finish_one(static_cast<bus::BlockStatus>(what >> 6 & 1)); break;
            case 6: {
                const u64 offset = input.below(0x4000);
                bench.write(offset, width, input.take<u32>());
                break;
            }
            case 7: (void)bench.read(input.below(0x4000), width); break;
            case 8: {
                const u8 offset = input.take<u8>();
                bench.device->write_configuration(offset, 1u << (what >> 6 & 1), input.take<u32>());
                break;
            }
            case 9: (void)bench.device->read_configuration(input.take<u8>(), 1u << (what >> 6 & 1)); break;
            case 10: {  // the common registers
                const u64 offset = input.below(0x40);
                bench.write(offset, width, input.take<u16>());
                break;
            }
            case 11: bench.ring.set_flags(input.take<u8>()); break;
            case 12: {
                // What is in flight is waited for, so it must be able to end.
                bench.store.finish_all();
                const bus::SavedState saved = bench.device->save();
                bench.device.reset();
                auto restored = virtio::VirtioPci::restore(bench.surroundings(), model(bench, kind), saved);
                if (!restored) fuzz::fail("its own state is refused: " + restored.error().message);
                bench.device = std::move(*restored);
                bench.store.finish_all();
                if (bench.device->save().fields != saved.fields && !(begin & 2))
                    fuzz::fail("its state restores to another");
                break;
            }
            case 13: {
                if (kind == Kind::console) {
                    bench.stream.room = what & 64 ? 0 : 100;
                    bench.stream.waiting = what & 128 ? 5000 : 0;
                    (what & 16 ? bench.stream.readable : bench.stream.writable)();
                }
                if (kind == Kind::balloon) {
                    static_cast<void>(bench.balloon->ask_for_statistics());
                    bench.notify(virtio_balloon::statistics_queue);
                }
                if (!bench.link.card) break;
                bench.link.full = what & 64;
                if (what & 16) {
                    const bool is_long = what & 32 && bench.link.card->takes_long_frames();
                    std::vector<std::byte> frame(
                        input.below(1 + (is_long ? bus::long_frame_max : bus::ethernet_frame_max)),
                        std::byte{what});
                    // Something like TCP over IPv4.
                    const auto headers =
                        input.take_bytes(std::min<std::size_t>(frame.size(), is_long ? 60 : 0));
                    std::ranges::copy(std::as_bytes(headers), frame.begin());
                    if (is_long && frame.size() > 60) {
                        bus::store_be16(frame, 12, 0x0800);
                        frame[14] = std::byte{0x45};
                        bus::store_be16(frame, 16, static_cast<u16>(frame.size() - 14));
                        frame[23] = std::byte{6};
                    }
                    static_cast<void>(bench.link.card->receive(frame));
                } else {
                    bench.link.card->may_send();
                }
                break;
            }
            default: bench.notify(what >> 4 & 1); break;
        }
        // Resetting the device waits for requests as well: a backend's threads would end them meanwhile.
        if (bench.status() == 0) bench.store.finish_all();
    }
    bench.store.finish_all();
    return 0;
}
