#include "devices/virtio_block/virtio_block.hpp"

#include "devices/state_reader.hpp"
#include "devices/virtio/virtio_registers.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace softmetal::devices {

using bus::BlockStatus;
using virtio_block::Header;
using virtio_block::Range;
using virtio_block::Request;
using virtio_block::sector;
using virtio_block::Status;

/// One request on its way.
struct VirtioBlock::Job {
    virtio::Transport& transport;
    unsigned queue;
    virtio::Chain chain;
    Header header{};
    u64 data_length = 0;  // without header and status
    u64 done = 0;         // bytes transferred, or ranges finished
    u64 moving = 0;       // bytes of the transfer under way
    std::vector<Range> ranges;
    bool flushing = false;  // the data is written and is being made durable
    Status outcome = Status::ok;
    bool decided = false;  // nothing is left to do but to answer

    [[nodiscard]] Request request() const { return static_cast<Request>(header.type); }
};

namespace {

std::array<char, virtio_block::id_length> padded(const std::string& serial) {
    std::array<char, virtio_block::id_length> id{};
    std::copy_n(serial.begin(), std::min(serial.size(), id.size()), id.begin());
    return id;
}

}  // namespace

VirtioBlock::VirtioBlock(bus::BlockStore& store, const std::string& serial, unsigned queues)
    : store_(store), serial_(padded(serial)), queue_sizes_(std::clamp(queues, 1u, queues_max), queue_size) {}

u64 VirtioBlock::features() const {
    using namespace virtio_block::feature;
    u64 always = segment_max | block_size | flush | virtio::feature::event_index;
    if (queue_sizes_.size() > 1) always |= multi_queue;
    return always | (store_.read_only() ? read_only : discard | write_zeroes);
}

std::vector<u8> VirtioBlock::configuration() const {
    virtio_block::Configuration c;
    c.capacity = store_.size_bytes() / sector;
    c.segment_max = queue_size - 2;  // besides header and status
    c.block_size = sector;
    c.queues = static_cast<u16>(queue_sizes_.size());
    c.discard_sectors_max = c.write_zeroes_sectors_max = range_sectors_max;
    c.discard_segments_max = c.write_zeroes_segments_max = ranges_max;
    c.discard_alignment = 1;
    c.write_zeroes_may_unmap = 1;
    const auto bytes = std::bit_cast<std::array<u8, sizeof c>>(c);
    return {bytes.begin(), bytes.end()};
}

void VirtioBlock::process(virtio::Transport& transport, unsigned queue) {
    while (in_flight_ < in_flight_max) {
        auto chain = transport.pop(queue);
        if (!chain) return;
        start(transport, queue, std::move(*chain));
    }
    full_ = true;
}

void VirtioBlock::start(virtio::Transport& transport, unsigned queue, virtio::Chain chain) {
    const u64 readable = virtio::total_length(chain.readable);
    const u64 writable = virtio::total_length(chain.writable);
    // Without a whole header and a place for the status there is nothing to answer.
    if (readable < sizeof(Header) || writable == 0) return transport.stop();
    auto job = std::make_shared<Job>(transport, queue, std::move(chain));
    std::array<std::byte, sizeof(Header)> header;
    if (!virtio::gather(transport.memory(), job->chain.readable, 0, header)) return transport.stop();
    job->header = std::bit_cast<Header>(header);
    job->data_length = job->request() == Request::read || job->request() == Request::get_id
                           ? writable - 1
                           : readable - sizeof(Header);
    ++in_flight_;
    const Status status = prepare(*job);
    if (const auto outcome = status == Status::ok ? advance(job) : status) answer_later(job, *outcome);
}

bool VirtioBlock::inside(u64 first_sector, u64 bytes) const {
    const u64 sectors = store_.size_bytes() / sector;
    return first_sector <= sectors && bytes / sector <= sectors - first_sector;
}

Status VirtioBlock::prepare(Job& job) {
    const bool changes = job.request() == Request::write || job.request() == Request::discard ||
                         job.request() == Request::write_zeroes;
    if (changes && store_.read_only()) return Status::io_error;
    switch (job.request()) {
        case Request::read:
        case Request::write:
            return job.data_length % sector == 0 && inside(job.header.sector, job.data_length)
                       ? Status::ok
                       : Status::io_error;
        case Request::flush: return Status::ok;
        case Request::get_id:
            return job.data_length >= virtio_block::id_length ? Status::ok : Status::io_error;
        case Request::discard:
        case Request::write_zeroes: return prepare_ranges(job);
    }
    return Status::unsupported;
}

Status VirtioBlock::prepare_ranges(Job& job) {
    const u64 count = job.data_length / sizeof(Range);
    if (job.data_length % sizeof(Range) != 0 || count == 0 || count > ranges_max) return Status::io_error;
    for (u64 i = 0; i < count; ++i) {
        std::array<std::byte, sizeof(Range)> bytes;
        if (!virtio::gather(job.transport.memory(), job.chain.readable, sizeof(Header) + i * sizeof(Range),
                            bytes))
            return Status::io_error;
        const Range range = std::bit_cast<Range>(bytes);
        const u32 known = job.request() == Request::write_zeroes ? virtio_block::range_unmap : 0;
        if (range.flags & ~known) return Status::unsupported;
        if (range.sectors > range_sectors_max || !inside(range.sector, range.sectors * sector))
            return Status::io_error;
        job.ranges.push_back(range);
    }
    return Status::ok;
}

bus::BlockStore::Completion VirtioBlock::completion(const JobPointer& job) {
    return [this, job](BlockStatus status) {
        const std::lock_guard lock(job->transport.mutex());
        step_done(job, status);
    };
}

std::optional<Status> VirtioBlock::advance(const JobPointer& job) {
    switch (job->request()) {
        case Request::read:
        case Request::write:
            if (job->done < job->data_length) return submit_transfer(job);
            break;
        case Request::discard:
        case Request::write_zeroes:
            if (job->done == job->ranges.size()) break;
            submit_range(job);
            return {};
        default: break;
    }
    // A driver that has not accepted FLUSH relies on completed writes being durable (ch. 5.2.6.2).
    const bool durable = job->request() != Request::read && job->request() != Request::get_id &&
                         (job->request() == Request::flush ||
                          !(job->transport.accepted_features() & virtio_block::feature::flush));
    if (!durable) return Status::ok;
    job->flushing = true;
    store_.flush(completion(job));
    return {};
}

/// Guest memory and the store are moved into each other without a copy: what the guest does to its buffers
/// meanwhile is its own affair.
std::optional<Status> VirtioBlock::submit_transfer(const JobPointer& job) {
    job->moving = std::min(job->data_length - job->done, piece_max);
    const u64 offset = job->header.sector * sector + job->done;
    bus::DmaView& memory = job->transport.memory();
    bus::BlockStore::Places places;
    if (job->request() == Request::read) {
        const auto& into = job->chain.writable;
        if (!virtio::locate(memory, into, job->done, job->moving, true, places)) return Status::io_error;
        virtio::changing(memory, into, job->done, job->moving);
        store_.read_places(offset, std::move(places), completion(job));
        return {};
    }
    if (!virtio::locate(memory, job->chain.readable, sizeof(Header) + job->done, job->moving, false, places))
        return Status::io_error;
    store_.write_places(offset, places, completion(job));
    return {};
}

void VirtioBlock::submit_range(const JobPointer& job) {
    const Range& range = job->ranges[job->done];
    if (job->request() == Request::discard)
        store_.discard(range.sector * sector, range.sectors * sector, completion(job));
    else
        store_.write_zeroes(range.sector * sector, range.sectors * sector,
                            range.flags & virtio_block::range_unmap, completion(job));
}

/// A read of nothing takes the answer to a backend thread.
void VirtioBlock::answer_later(const JobPointer& job, Status status) {
    job->decided = true;
    job->outcome = status;
    store_.read(0, {}, completion(job));
}

void VirtioBlock::step_done(const JobPointer& job, BlockStatus status) {
    if (job->request() == Request::read && job->moving)
        virtio::changing(job->transport.memory(), job->chain.writable, job->done, job->moving);
    if (job->decided) return answer(*job, job->outcome);
    // Where the device has been reset or stopped meanwhile, nobody waits for the rest.
    if (status != BlockStatus::ok || !job->transport.running()) return answer(*job, Status::io_error);
    if (job->flushing) return answer(*job, Status::ok);
    job->done += job->moving ? job->moving : 1;
    if (const auto outcome = advance(job)) answer(*job, *outcome);
}

void VirtioBlock::answer(Job& job, Status status) {
    virtio::Transport& transport = job.transport;
    if (transport.running()) {
        const bool data =
            status == Status::ok && (job.request() == Request::read || job.request() == Request::get_id);
        bool reached = true;
        if (data && job.request() == Request::get_id)
            reached =
                virtio::scatter(transport.memory(), job.chain.writable, 0, std::as_bytes(std::span(serial_)));
        if (!reached) status = Status::io_error;
        const u64 last = virtio::total_length(job.chain.writable) - 1;
        const std::array status_byte{static_cast<std::byte>(status)};
        if (!virtio::scatter(transport.memory(), job.chain.writable, last, status_byte))
            transport.stop();
        else
            transport.complete(job.queue, job.chain.head, static_cast<u32>(last + 1));
    }
    --in_flight_;
    if (in_flight_ == 0) idle_.notify_all();
    // The driver notifies of what comes next; only what found no room would be forgotten.
    if (!std::exchange(full_, false)) return;
    const auto queues = static_cast<unsigned>(queue_sizes_.size());
    next_queue_ = (next_queue_ + 1) % queues;
    for (unsigned i = 0; i < queues; ++i) process(transport, (next_queue_ + i) % queues);
}

void VirtioBlock::drain(std::unique_lock<std::mutex>& lock) {
    idle_.wait(lock, [this] { return in_flight_ == 0; });
}

nlohmann::json VirtioBlock::save() const {
    return {{"model", "block"}, {"size_bytes", store_.size_bytes()}, {"read_only", store_.read_only()}};
}

Result<> VirtioBlock::restore(const nlohmann::json& fields) {
    StateReader in(fields, "virtio block device");
    in.require(in.number<u64>("size_bytes") == store_.size_bytes(), "the disk had another size");
    in.require(in.flag("read_only") == store_.read_only(),
               "the disk was writable then and is not now, or the reverse");
    return in.finish();
}

}  // namespace softmetal::devices
