#include "devices/virtio/common_config.hpp"

#include "devices/state_reader.hpp"

#include <bit>

namespace softmetal::devices::virtio {

namespace {

u32 half(u64 value, bool upper) { return static_cast<u32>(upper ? value >> 32 : value); }
u64 with_half(u64 value, bool upper, u32 part) {
    return upper ? (value & 0xffff'ffff) | u64{part} << 32 : (value & ~u64{0xffff'ffff}) | part;
}

}  // namespace

CommonConfig::CommonConfig(u64 features, std::span<const u16> queue_sizes, unsigned vectors,
                           bus::DmaView& dma)
    : features_(features), vectors_(vectors) {
    for (const u16 size : queue_sizes) queues_.push_back({Virtqueue(size, dma)});
}

void CommonConfig::reset() {
    device_feature_select_ = driver_feature_select_ = 0;
    driver_features_ = 0;
    config_vector_ = no_vector;
    status_ = 0;
    queue_select_ = 0;
    for (Queue& q : queues_) {
        q.ring.reset();
        q.vector = no_vector;
    }
}

u32 CommonConfig::read(u64 offset) const {
    switch (offset) {
        case common::device_feature_select: return device_feature_select_;
        case common::device_feature:
            return device_feature_select_ < 2 ? half(features_, device_feature_select_ == 1) : 0;
        case common::driver_feature_select: return driver_feature_select_;
        case common::driver_feature:
            return driver_feature_select_ < 2 ? half(driver_features_, driver_feature_select_ == 1) : 0;
        case common::config_vector: return config_vector_;
        case common::queue_count: return queue_count();
        case common::device_status: return status_;
        case common::config_generation: return config_generation_;
        case common::queue_select: return queue_select_;
        default: break;
    }
    if (queue_select_ >= queues_.size()) return 0;  // size 0: no such queue
    const Queue& q = queues_[queue_select_];
    const Virtqueue::State& s = q.ring.state();
    switch (offset) {
        case common::queue_size: return s.size;
        case common::queue_vector: return q.vector;
        case common::queue_enable: return s.enabled;
        case common::queue_notify_offset: return queue_select_;
        case common::queue_descriptors:
        case common::queue_descriptors + 4: return half(s.descriptors, offset & 4);
        case common::queue_driver:
        case common::queue_driver + 4: return half(s.driver, offset & 4);
        case common::queue_device:
        case common::queue_device + 4: return half(s.device, offset & 4);
        default: return 0;
    }
}

CommonConfig::Event CommonConfig::write(u64 offset, u32 value) {
    switch (offset) {
        case common::device_feature_select: device_feature_select_ = value; break;
        case common::driver_feature_select: driver_feature_select_ = value; break;
        case common::driver_feature:
            if (driver_feature_select_ < 2 && !(status_ & status::features_ok))
                driver_features_ = with_half(driver_features_, driver_feature_select_ == 1, value);
            break;
        case common::config_vector: config_vector_ = checked_vector(value); break;
        case common::device_status: return write_status(static_cast<u8>(value));
        case common::queue_select: queue_select_ = static_cast<u16>(value); break;
        default:
            if (queue_select_ < queues_.size()) return write_queue(offset, value, queues_[queue_select_]);
    }
    return Event::none;
}

CommonConfig::Event CommonConfig::write_status(u8 value) {
    if (value == 0) return Event::reset;
    const bool was_ready = driver_ok();
    u8 added = value & status::writable;  // bits are only ever added (ch. 2.1.1)
    // An unacceptable set of features is refused by not keeping FEATURES_OK (ch. 3.1.1).
    const bool acceptable = !(driver_features_ & ~features_) && (driver_features_ & feature::version_1);
    if (!acceptable) added = static_cast<u8>(added & ~status::features_ok);
    if (!((status_ | added) & status::features_ok)) added = static_cast<u8>(added & ~status::driver_ok);
    status_ |= added;
    if (was_ready || !driver_ok()) return Event::none;
    for (Queue& q : queues_) q.ring.configure().event_index = (driver_features_ & feature::event_index) != 0;
    return needs_reset() ? Event::stopped : Event::ready;
}

CommonConfig::Event CommonConfig::write_queue(u64 offset, u32 value, Queue& queue) {
    if (offset == common::queue_vector) {
        queue.vector = checked_vector(value);
        return Event::none;
    }
    Virtqueue::State& s = queue.ring.configure();
    if (s.enabled) return Event::none;  // set up once; a reset starts over
    switch (offset) {
        case common::queue_size:
            if (value <= queue.ring.max_size() && std::has_single_bit(value))
                s.size = static_cast<u16>(value);
            break;
        case common::queue_enable:
            if (value != 1) break;
            s.event_index = (driver_features_ & feature::event_index) != 0;
            if (queue.ring.enable()) break;
            set_needs_reset();
            return Event::stopped;
        case common::queue_descriptors:
        case common::queue_descriptors + 4:
            s.descriptors = with_half(s.descriptors, offset & 4, value);
            break;
        case common::queue_driver:
        case common::queue_driver + 4: s.driver = with_half(s.driver, offset & 4, value); break;
        case common::queue_device:
        case common::queue_device + 4: s.device = with_half(s.device, offset & 4, value); break;
        default: break;
    }
    return Event::none;
}

nlohmann::json CommonConfig::save() const {
    nlohmann::json queues = nlohmann::json::array();
    for (const Queue& q : queues_) {
        const Virtqueue::State& s = q.ring.state();
        queues.push_back({{"size", s.size},
                          {"enabled", s.enabled},
                          {"event_index", s.event_index},
                          {"descriptors", s.descriptors},
                          {"driver", s.driver},
                          {"device", s.device},
                          {"next_available", s.next_available},
                          {"next_used", s.next_used},
                          {"signalled_used", s.signalled_used},
                          {"broken", s.broken},
                          {"vector", q.vector}});
    }
    return {{"features", features_},
            {"device_feature_select", device_feature_select_},
            {"driver_feature_select", driver_feature_select_},
            {"driver_features", driver_features_},
            {"config_vector", config_vector_},
            {"config_generation", config_generation_},
            {"status", status_},
            {"queue_select", queue_select_},
            {"queues", std::move(queues)}};
}

Result<> CommonConfig::restore(const nlohmann::json& fields) {
    StateReader in(fields, "virtio common configuration");
    in.require(in.number<u64>("features") == features_, "the device offered other features");
    device_feature_select_ = in.number<u32>("device_feature_select");
    driver_feature_select_ = in.number<u32>("driver_feature_select");
    driver_features_ = in.number<u64>("driver_features");
    config_vector_ = in.number<u16>("config_vector");
    config_generation_ = in.number<u8>("config_generation");
    status_ = in.number<u8>("status", status::writable | status::needs_reset);
    queue_select_ = in.number<u16>("queue_select");
    in.require(!(status_ & status::features_ok) || !(driver_features_ & ~features_),
               "features were accepted that are not offered");
    in.require(checked_vector(config_vector_) == config_vector_, "an interrupt vector that is not there");
    const nlohmann::json& list = in.part("queues");
    in.require(list.size() == queues_.size(), "the number of queues differs");
    if (auto read = in.finish(); !read) return read;
    for (unsigned i = 0; const nlohmann::json& item : list) {
        StateReader q(item, "virtqueue");
        Virtqueue::State s;
        s.size = q.number<u16>("size");
        s.enabled = q.flag("enabled");
        s.event_index = q.flag("event_index");
        s.descriptors = q.number<u64>("descriptors");
        s.driver = q.number<u64>("driver");
        s.device = q.number<u64>("device");
        s.next_available = q.number<u16>("next_available");
        s.next_used = q.number<u16>("next_used");
        s.signalled_used = q.number<u16>("signalled_used");
        s.broken = q.flag("broken");
        queues_[i].vector = q.number<u16>("vector");
        q.require(checked_vector(queues_[i].vector) == queues_[i].vector,
                  "an interrupt vector that is not there");
        q.require(queues_[i].ring.restore(s), "a size or an address");
        if (auto read = q.finish(); !read) return read;
        ++i;
    }
    return {};
}

}  // namespace softmetal::devices::virtio
