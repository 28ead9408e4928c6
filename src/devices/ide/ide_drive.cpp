#include "devices/ide/ide_drive.hpp"

#include "devices/state_reader.hpp"

#include <algorithm>
#include <cstring>

namespace softmetal::devices::ide {

// --- registers

u8 IdeDrive::read(unsigned offset, bool high_order) const {
    switch (offset) {
        case reg::error: return error_;
        case reg::count: return high_order ? file_.before.count : file_.count;
        case reg::lba_low: return high_order ? file_.before.lba_low : file_.lba_low;
        case reg::lba_mid: return high_order ? file_.before.lba_mid : file_.lba_mid;
        case reg::lba_high: return high_order ? file_.before.lba_high : file_.lba_high;
        case reg::device: return file_.device | device::always_one;
        case reg::status: return status_;
        default: return 0xff;
    }
}

void IdeDrive::write(unsigned offset, u8 value) {
    if (status_ & (status::busy | status::data_request)) return;
    const auto push = [value](u8& now, u8& before) {
        before = now;
        now = value;
    };
    switch (offset) {
        case reg::features: file_.features = value; break;
        case reg::count: push(file_.count, file_.before.count); break;
        case reg::lba_low: push(file_.lba_low, file_.before.lba_low); break;
        case reg::lba_mid: push(file_.lba_mid, file_.before.lba_mid); break;
        case reg::lba_high: push(file_.lba_high, file_.before.lba_high); break;
        case reg::device: file_.device = value; break;
        default: break;
    }
}

void IdeDrive::command(u8 code) {
    if (code == command::device_reset && signature() != 0) {
        reset();
        return;
    }
    if (status_ & (status::busy | status::data_request)) return;
    interrupt_ = false;
    error_ = 0;
    status_ = idle_status();
    execute(code);
}

void IdeDrive::show_signature() {
    const u8 select = file_.device & device::second;
    file_ = {};
    file_.device = select;
    file_.count = file_.lba_low = 1;
    file_.lba_mid = static_cast<u8>(signature());
    file_.lba_high = static_cast<u8>(signature() >> 8);
}

void IdeDrive::reset() {
    stale_ = stale_ || requested_;
    phase_ = Phase::idle;
    interrupt_ = false;
    buffer_.clear();
    left_ = position_ = block_end_ = 0;
    show_signature();
    file_.device = 0;
    error_ = error::diagnostics_passed;
    status_ = signature() == 0 ? idle_status() : u8{0};  // ATAPI drives are ready after their first command
}

// --- commands' ends

void IdeDrive::succeed() {
    phase_ = Phase::idle;
    status_ = idle_status();
    interrupt_ = true;
}

void IdeDrive::fail_with(u8 error_bits) {
    phase_ = Phase::idle;
    error_ = error_bits;
    status_ = idle_status() | status::error;
    interrupt_ = true;
}

void IdeDrive::flush() {
    left_ = 0;
    wait_for_storage(Phase::flushing);
}

// --- data

void IdeDrive::send(std::vector<std::byte> data, Movement how, std::size_t block) {
    how_ = how;
    to_host_ = true;
    left_ = 0;
    block_ = block;
    buffer_ = std::move(data);
    position_ = block_end_ = 0;
    phase_ = Phase::data_to_host;
    begin_block(true);
}

void IdeDrive::send_stored(u64 offset, u64 bytes, Movement how, std::size_t block) {
    how_ = how;
    to_host_ = true;
    offset_ = offset;
    left_ = bytes;
    block_ = block;
    begin_chunk();
}

void IdeDrive::receive_stored(u64 offset, u64 bytes, Movement how, std::size_t block, bool durable) {
    how_ = how;
    to_host_ = false;
    durable_ = durable;
    offset_ = offset;
    left_ = bytes;
    block_ = block;
    begin_chunk();
    interrupt_ = false;  // the first block is asked for by the status alone
}

/// The buffer is empty and the command wants more.
void IdeDrive::begin_chunk() {
    const u64 whole_blocks = chunk_bytes / block_ * block_;
    const u64 bytes = std::min(left_, std::max(whole_blocks, block_));
    buffer_.assign(bytes, std::byte{0});
    left_ -= bytes;
    position_ = block_end_ = 0;
    if (to_host_) return wait_for_storage(Phase::reading);
    phase_ = Phase::data_from_host;
    begin_block(true);
}

void IdeDrive::begin_block(bool with_interrupt) {
    if (how_ == Movement::dma) {
        block_end_ = buffer_.size();
        status_ = static_cast<u8>((idle_status() | status::busy) & ~status::data_request);
        return;
    }
    block_end_ = std::min<u64>(block_end_ + block_, buffer_.size());
    block_begins(block_end_ - position_);
    status_ = idle_status() | status::data_request;
    if (with_interrupt) interrupt_ = true;
}

void IdeDrive::chunk_moved() {
    if (!to_host_) return wait_for_storage(Phase::writing);
    offset_ += buffer_.size();
    if (left_ != 0) return begin_chunk();
    phase_ = Phase::idle;
    transfer_done();
}

void IdeDrive::wait_for_storage(Phase phase) {
    phase_ = phase;
    status_ = static_cast<u8>((idle_status() | status::busy) & ~status::data_request);
}

u16 IdeDrive::read_data() {
    if (phase_ != Phase::data_to_host || how_ != Movement::pio) return 0;
    u16 value = 0;
    // An odd last byte comes with one that means nothing.
    std::memcpy(&value, buffer_.data() + position_, std::min<u64>(2, buffer_.size() - position_));
    position_ = std::min<u64>(position_ + 2, block_end_);
    if (position_ == buffer_.size())
        chunk_moved();
    else if (position_ == block_end_)
        begin_block(true);
    return value;
}

void IdeDrive::write_data(u16 value) {
    const bool wanted = phase_ == Phase::packet || (phase_ == Phase::data_from_host && how_ == Movement::pio);
    if (!wanted) return;
    std::memcpy(buffer_.data() + position_, &value, std::min<u64>(2, buffer_.size() - position_));
    position_ = std::min<u64>(position_ + 2, block_end_);
    if (position_ < block_end_) return;
    if (phase_ == Phase::packet) {
        phase_ = Phase::idle;
        status_ = idle_status();
        const std::vector<std::byte> packet = std::move(buffer_);
        buffer_.clear();
        position_ = block_end_ = 0;
        return packet_received(packet);
    }
    if (position_ == buffer_.size())
        chunk_moved();
    else
        begin_block(true);
}

void IdeDrive::want_packet() {
    buffer_.assign(packet_bytes, std::byte{0});
    position_ = 0;
    block_end_ = packet_bytes;
    phase_ = Phase::packet;
    status_ = idle_status() | status::data_request;
}

IdeDrive::Dma IdeDrive::dma() const {
    if (how_ != Movement::dma) return Dma::none;
    if (phase_ == Phase::data_to_host) return Dma::to_memory;
    return phase_ == Phase::data_from_host ? Dma::from_memory : Dma::none;
}

void IdeDrive::dma_moved(std::size_t bytes) {
    position_ += bytes;
    if (position_ >= buffer_.size()) chunk_moved();
}

// --- storage

std::optional<StorageRequest> IdeDrive::take_request() {
    if (!waits_for_storage() || requested_) return {};
    requested_ = true;
    switch (phase_) {
        case Phase::reading: return StorageRequest{StorageRequest::Kind::read, offset_, std::move(buffer_)};
        case Phase::writing:
            // Kept as it is: what is under way may have to be asked for again after a restore.
            return StorageRequest{StorageRequest::Kind::write, offset_, buffer_};
        default: return StorageRequest{};
    }
}

void IdeDrive::finish_request(bus::BlockStatus outcome, std::vector<std::byte> data) {
    requested_ = false;
    if (std::exchange(stale_, false)) return;
    if (outcome != bus::BlockStatus::ok) {
        left_ = 0;
        return storage_failed();
    }
    switch (phase_) {
        case Phase::reading:
            buffer_ = std::move(data);
            phase_ = Phase::data_to_host;
            return begin_block(true);
        case Phase::writing:
            offset_ += buffer_.size();
            if (left_ != 0) return begin_chunk();
            if (durable_) return flush();
            phase_ = Phase::idle;
            return transfer_done();
        case Phase::flushing: return succeed();
        default: return;
    }
}

// --- state

nlohmann::json IdeDrive::save() const {
    std::vector<u8> buffer(buffer_.size());
    if (!buffer.empty()) std::memcpy(buffer.data(), buffer_.data(), buffer.size());
    const File& f = file_;
    nlohmann::json fields{
        {"registers", {f.features, f.count, f.lba_low, f.lba_mid, f.lba_high, f.device}},
        {"registers_before", {f.before.count, f.before.lba_low, f.before.lba_mid, f.before.lba_high}},
        {"status", status_},
        {"error", error_},
        {"interrupt", interrupt_},
        {"phase", static_cast<unsigned>(phase_)},
        {"dma", how_ == Movement::dma},
        {"to_host", to_host_},
        {"durable", durable_},
        {"offset", offset_},
        {"left", left_},
        {"block", block_},
        {"buffer", buffer},
        {"position", position_},
        {"block_end", block_end_}};
    save_kind(fields);
    return fields;
}

Result<> IdeDrive::restore(const nlohmann::json& fields) {
    StateReader in(fields, "an IDE drive");
    std::array<u8, 6> registers{};
    std::array<u8, 4> before{};
    in.numbers<u8>("registers", registers);
    in.numbers<u8>("registers_before", before);
    file_ = {registers[0],
             registers[1],
             registers[2],
             registers[3],
             registers[4],
             registers[5],
             {before[0], before[1], before[2], before[3]}};
    status_ = in.number<u8>("status");
    error_ = in.number<u8>("error");
    interrupt_ = in.flag("interrupt");
    phase_ = static_cast<Phase>(in.number<u8>("phase", static_cast<u8>(Phase::packet)));
    how_ = in.flag("dma") ? Movement::dma : Movement::pio;
    to_host_ = in.flag("to_host");
    durable_ = in.flag("durable");
    constexpr u64 farthest = u64{1} << 60;
    offset_ = in.number<u64>("offset", farthest);
    left_ = in.number<u64>("left", farthest);
    block_ = in.number<u64>("block", u64{1} << 20);
    const nlohmann::json& list = in.part("buffer");
    in.require(list.is_array() && list.size() <= u64{1} << 20, "its buffer is too large");
    std::vector<u8> bytes(in.good() ? list.size() : 0);
    in.numbers<u8>("buffer", bytes);
    buffer_.resize(bytes.size());
    if (!bytes.empty()) std::memcpy(buffer_.data(), bytes.data(), bytes.size());
    position_ = in.number<u64>("position", buffer_.size());
    block_end_ = in.number<u64>("block_end", buffer_.size());
    in.require(block_ != 0, "its blocks are empty");
    const bool moves = phase_ == Phase::data_to_host || phase_ == Phase::data_from_host;
    in.require(!(moves || phase_ == Phase::packet) || position_ < block_end_, "no data is left to move");
    in.require(phase_ != Phase::packet || buffer_.size() == packet_bytes, "its packet has another size");
    in.require(phase_ != Phase::reading || !buffer_.empty(), "nothing is to be read");
    restore_kind(in);
    return in.finish();
}

}  // namespace softmetal::devices::ide
