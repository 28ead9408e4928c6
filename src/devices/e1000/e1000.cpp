#include "devices/e1000/e1000.hpp"

#include "base/bits.hpp"
#include "devices/state_reader.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace softmetal::devices {

namespace {

constexpr unsigned memory_bar = 0, port_bar = 1;
constexpr pci::Identity identity{.vendor = e1000::vendor_intel,
                                 .device = e1000::device_82540em,
                                 .revision = 3,
                                 .class_code = 0x020000,
                                 .subsystem_vendor = e1000::vendor_intel,
                                 .subsystem = e1000::subsystem};

/// Shorter frames are padded on the wire (IEEE 802.3 ch. 4.2.3.3).
constexpr std::size_t ethernet_frame_min = 60;

}  // namespace

E1000::E1000(const pci::Surroundings& surroundings, bus::NetworkLink& link, const MacAddress& mac)
    : PciFunction(identity, surroundings),
      link_(link),
      mac_(mac),
      ports_(*this),
      registers_(*this),
      msi_(configuration(), {.vectors = 1, .wide = true}, surroundings.messages),  // ch. 4.1
      chip_(mac) {
    add_bar(memory_bar, pci::BarKind::memory_32, e1000::memory_size, registers_);
    add_bar(port_bar, pci::BarKind::port, e1000::port_size, ports_);
    link_.connect(*this);
}

/// A message is an edge: one goes out for every cause that was not there, or not allowed, before.
void E1000::update_interrupt() {
    const u32 interrupts = chip_.interrupts();
    if (!msi_.enabled()) {
        announced_ = 0;
        return set_interrupt_pin(interrupts != 0);
    }
    set_interrupt_pin(false);
    if (interrupts & ~announced_) msi_.send(0);
    announced_ = interrupts;
}

void E1000::configuration_written(u8, unsigned) {
    msi_.follow(configuration());
    const std::lock_guard lock(mutex_);
    update_interrupt();
}

void E1000::reset() {
    msi_.reset();
    {
        const std::lock_guard lock(mutex_);
        chip_ = E1000Chip(mac_);
        transmitter_.reset();
        waiting_.clear();
        update_interrupt();
    }
    reset_configuration();
}

// --- registers

u64 E1000::Registers::read_io(u64 offset, unsigned width) {
    const u32 value = owner_.read_register(static_cast<u32>(offset & ~u64{3}));
    const u64 upper = width == 8 ? owner_.read_register(static_cast<u32>(offset + 4)) : 0;
    return (value | upper << 32) >> (offset & 3) * 8 & low_bits(width * 8);
}

/// Registers are written whole (ch. 13.3): narrower writes are ignored.
void E1000::Registers::write_io(u64 offset, unsigned width, u64 value) {
    if (offset & 3 || width < 4) return;
    owner_.write_register(static_cast<u32>(offset), static_cast<u32>(value));
    if (width == 8) owner_.write_register(static_cast<u32>(offset + 4), static_cast<u32>(value >> 32));
}

u64 E1000::Ports::read_io(u64 offset, unsigned width) {
    if (width != 4) return low_bits(width * 8);
    if (offset == 0) return address;
    return offset == 4 && address < e1000::memory_size ? owner_.read_register(address & ~3u) : ~0u;
}

void E1000::Ports::write_io(u64 offset, unsigned width, u64 value) {
    if (width != 4) return;
    if (offset == 0) address = static_cast<u32>(value);
    if (offset == 4 && address < e1000::memory_size)
        owner_.write_register(address & ~3u, static_cast<u32>(value));
}

u32 E1000::read_register(u32 offset) {
    const std::lock_guard lock(mutex_);
    const u32 value = chip_.read(offset);
    update_interrupt();
    return value;
}

void E1000::write_register(u32 offset, u32 value) {
    std::unique_lock lock(mutex_);
    const E1000Chip::Event event = chip_.write(offset, value);
    if (offset == e1000::reg::control && value & e1000::control::reset) {
        transmitter_.reset();
        waiting_.clear();
    }
    if (event == E1000Chip::Event::transmit) transmit();
    update_interrupt();
    if (event == E1000Chip::Event::receive_ring) link_.room();
}

// --- transmission

bool E1000::send_waiting() {
    for (; !waiting_.empty(); waiting_.pop_front())
        if (!link_.send(waiting_.front())) return false;
    return true;
}

void E1000::transmit() {
    if (!chip_.transmits() || !send_waiting()) return;
    E1000Ring& ring = chip_.transmit;
    const auto output = [this](std::span<const std::byte> frame) {
        if (frame.size() < bus::ethernet_header_bytes || frame.size() > bus::ethernet_frame_max) return;
        auto& kept = waiting_.emplace_back(frame.begin(), frame.end());
        if (kept.size() < ethernet_frame_min) kept.resize(ethernet_frame_min);
    };
    for (unsigned served = 0; ring.work(); served++) {
        if (served == burst) return link_.call_back();
        std::array<std::byte, e1000::descriptor_bytes> bytes{};
        if (!dma().read({ring.address(ring.head)}, bytes)) return;
        auto [address, command] = std::bit_cast<std::array<u64, 2>>(bytes);
        transmitter_.take(address, command, dma(), output);
        if (command & e1000::transmit::report_status) {
            command |= e1000::transmit::done;
            const auto half = std::bit_cast<std::array<std::byte, 8>>(command);
            static_cast<void>(dma().write({ring.address(ring.head) + 8}, half));
            chip_.raise(e1000::cause::transmitted);
        }
        ring.head = ring.after(ring.head);
        if (!ring.work()) chip_.raise(e1000::cause::transmit_queue_empty);
        if (!send_waiting()) return;
    }
}

void E1000::may_send() {
    const std::lock_guard lock(mutex_);
    transmit();
    update_interrupt();
}

// --- reception

bool E1000::receive(std::span<const std::byte> frame) {
    const std::lock_guard lock(mutex_);
    if (!chip_.receives() || frame.size() < bus::ethernet_header_bytes || !chip_.accepts(frame)) return true;
    namespace rc = e1000::receive_control;
    E1000Ring& ring = chip_.receive;
    // Drivers that do not have the check sequence stripped take it off themselves. Its value is not computed.
    const std::size_t wire = std::max(frame.size(), ethernet_frame_min);
    const std::size_t total = wire + (chip_.receive_control() & rc::strip_check ? 0 : e1000::check_bytes);
    const std::size_t buffer = chip_.buffer_size();
    const auto needed = static_cast<u32>((total + buffer - 1) / buffer);
    if (!ring.work() || ring.available() < needed)
        return ring.descriptors() == 0 || ring.descriptors() <= needed;
    std::vector<std::byte> image(frame.begin(), frame.end());
    image.resize(total);
    for (std::span<const std::byte> left(image); !left.empty();) {
        std::array<std::byte, e1000::descriptor_bytes> bytes{};
        if (!dma().read({ring.address(ring.head)}, bytes)) return true;
        auto descriptor = std::bit_cast<e1000::ReceiveDescriptor>(bytes);
        const auto part = left.first(std::min(left.size(), buffer));
        left = left.subspan(part.size());
        if (descriptor.address && !dma().write({descriptor.address}, part)) return true;
        descriptor.length = static_cast<u16>(part.size());
        descriptor.checksum = descriptor.special = 0;
        descriptor.errors = 0;
        descriptor.status = e1000::receive_status::done | e1000::receive_status::ignore_checksum |
                            (left.empty() ? e1000::receive_status::end_of_packet : u8{0});
        const auto done = std::bit_cast<std::array<std::byte, e1000::descriptor_bytes>>(descriptor);
        static_cast<void>(dma().write({ring.address(ring.head)}, done));
        ring.head = ring.after(ring.head);
    }
    u32 causes = e1000::cause::received;
    const unsigned fraction = 1 + (chip_.receive_control() >> rc::low_threshold_shift & 3);
    if (!ring.work() || ring.available() <= ring.descriptors() >> fraction)
        causes |= e1000::cause::receive_low;
    chip_.raise(causes);
    update_interrupt();
    return true;
}

// --- state

bus::SavedState E1000::save() const {
    nlohmann::json configuration = save_configuration();  // whose lock comes before the card's own
    const std::lock_guard lock(mutex_);
    const E1000Transmitter::State& t = transmitter_.state();
    const E1000Context& c = t.context;
    nlohmann::json frame = nlohmann::json::array();
    for (const std::byte b : t.frame) frame.push_back(std::to_integer<u8>(b));
    return {.schema = "e1000",
            .version = 2,
            .fields = {{"configuration", std::move(configuration)},
                       {"announced", announced_},
                       {"port_address", ports_.address},
                       {"chip", chip_.save()},
                       {"context",
                        {c.ip_start, c.ip_offset, c.ip_end, c.tcp_start, c.tcp_offset, c.tcp_end, c.payload,
                         c.segment, c.header, c.tcp ? 1u : 0u, c.ipv4 ? 1u : 0u}},
                       {"frame", std::move(frame)},
                       {"options", t.options},
                       {"segments", t.segments},
                       {"lost", t.lost}}};
}

Result<std::unique_ptr<E1000>> E1000::restore(const pci::Surroundings& surroundings, bus::NetworkLink& link,
                                              const MacAddress& mac, const bus::SavedState& state) {
    StateReader in(state, "e1000", 2);
    in.require(state.version == 2, "the card of version 1 had no MSI");
    const u32 announced = in.number<u32>("announced");
    const nlohmann::json& configuration = in.part("configuration");
    const nlohmann::json& chip = in.part("chip");
    const nlohmann::json& frame = in.part("frame");
    const u32 port_address = in.number<u32>("port_address");
    std::array<u32, 11> numbers{};
    in.numbers<u32>("context", numbers);
    E1000Transmitter::State transmitter;
    transmitter.options = in.number<u8>("options");
    transmitter.segments = in.flag("segments");
    transmitter.lost = in.flag("lost");
    in.require(frame.is_array() && frame.size() <= E1000Transmitter::longest, "a frame is too long");
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    for (const nlohmann::json& byte : frame) {
        if (!byte.is_number_unsigned() || byte.get<u64>() > 0xff)
            return fail("saved state of e1000 is impossible: a frame is not of bytes");
        transmitter.frame.push_back(static_cast<std::byte>(byte.get<u64>()));
    }
    transmitter.context = {.ip_start = static_cast<u8>(numbers[0]),
                           .ip_offset = static_cast<u8>(numbers[1]),
                           .tcp_start = static_cast<u8>(numbers[3]),
                           .tcp_offset = static_cast<u8>(numbers[4]),
                           .ip_end = static_cast<u16>(numbers[2]),
                           .tcp_end = static_cast<u16>(numbers[5]),
                           .payload = numbers[6],
                           .segment = static_cast<u16>(numbers[7]),
                           .header = static_cast<u8>(numbers[8]),
                           .tcp = numbers[9] != 0,
                           .ipv4 = numbers[10] != 0};
    auto restored = std::make_unique<E1000>(surroundings, link, mac);
    restored->ports_.address = port_address;
    if (auto r = restored->chip_.restore(chip); !r) return std::unexpected(r.error());
    restored->transmitter_.set_state(std::move(transmitter));
    if (auto r = restored->restore_configuration(configuration); !r) return std::unexpected(r.error());
    restored->msi_.follow(restored->configuration());
    restored->announced_ = announced;
    restored->update_interrupt();
    return restored;
}

}  // namespace softmetal::devices
