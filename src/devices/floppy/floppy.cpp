#include "devices/floppy/floppy.hpp"

#include "devices/state_reader.hpp"

#include <algorithm>

namespace softmetal::devices::floppy {

namespace {

FloppyChip::Drives drives_of(const std::array<bus::BlockStore*, drive_count>& disks) {
    FloppyChip::Drives drives;
    for (unsigned i = 0; i < drive_count; i++)
        if (disks[i])
            if (const auto format = format_of(disks[i]->size_bytes()))
                drives[i] = Drive{*format, disks[i]->read_only()};
    return drives;
}

}  // namespace

/// A request to storage on its way; its data must stay where it is.
struct Floppy::Job {
    FloppyChip::Request request;
};

Floppy::Floppy(const Resources& resources)
    : resources_(resources),
      chip_(drives_of(resources.disks)),
      interrupt_(resources.interrupt),
      registers_(*this, &Floppy::read_register, &Floppy::write_register),
      digital_input_(*this, &Floppy::read_digital_input, &Floppy::write_configuration_control) {}

Floppy::~Floppy() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return completions_ == 0; });
}

/// Runs `access` on the chip with the lock, then does and tells what follows from it.
template <class Access>
auto Floppy::with(Access access) {
    struct Afterwards {
        Floppy& owner;
        std::unique_lock<std::mutex> lock;
        ~Afterwards() {
            owner.pump();
            lock.unlock();
            owner.interrupt_.flush();
        }
    } afterwards{*this, std::unique_lock(mutex_)};
    return access(chip_);
}

void Floppy::pump() {
    if (!in_flight_)
        if (auto request = chip_.take_request(resources_.dma)) submit(std::move(*request));
    interrupt_.set(chip_.interrupt());
}

void Floppy::submit(FloppyChip::Request request) {
    auto job = std::make_shared<Job>(Job{std::move(request)});
    bus::BlockStore& store = *resources_.disks[job->request.drive];
    in_flight_ = true;
    completions_++;
    const auto done = [this, job](bus::BlockStatus status) {
        with([&](FloppyChip& chip) {
            in_flight_ = false;
            chip.finish_request(status, job->request.data, resources_.dma);
        });
        // Last: once nothing is left to come, somebody who waits may take the device away.
        const std::lock_guard lock(mutex_);
        completions_--;
        idle_.notify_all();
    };
    const std::span<std::byte> data(job->request.data);
    const u64 offset = std::min(job->request.offset, store.size_bytes());
    const u64 there = std::min<u64>(data.size(), store.size_bytes() - offset);
    if (!job->request.is_write)
        store.read(offset, data.first(there), done);
    else if (there == data.size())
        store.write(offset, data, done);
    else
        store.flush([done](bus::BlockStatus) { done(bus::BlockStatus::io_error); });
}

u8 Floppy::read_register(u64 offset) {
    if (offset >= reg::count) return BytePorts::undecoded;
    return with([offset](FloppyChip& chip) { return chip.read(static_cast<unsigned>(offset)); });
}

void Floppy::write_register(u64 offset, u8 value) {
    if (offset >= reg::count) return;
    with([offset, value](FloppyChip& chip) { chip.write(static_cast<unsigned>(offset), value); });
}

u8 Floppy::read_digital_input(u64 offset) {
    if (offset != 0) return BytePorts::undecoded;
    return with([](FloppyChip& chip) { return chip.read_digital_input(); });
}

void Floppy::write_configuration_control(u64 offset, u8 value) {
    if (offset == 0) with([value](FloppyChip& chip) { chip.write_configuration_control(value); });
}

void Floppy::reset() {
    {
        std::unique_lock lock(mutex_);
        idle_.wait(lock, [this] { return completions_ == 0; });
        chip_.reset();
        interrupt_.set(chip_.interrupt());
    }
    interrupt_.flush();
}

bus::SavedState Floppy::save() const {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return completions_ == 0; });
    return {"floppy", 1, chip_.save()};
}

Result<std::unique_ptr<Floppy>> Floppy::restore(const Resources& resources, const bus::SavedState& saved) {
    StateReader in(saved, "floppy", 1);
    auto restored = std::make_unique<Floppy>(resources);
    restored->chip_.restore(in);
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    restored->with([](FloppyChip&) {});
    return restored;
}

}  // namespace softmetal::devices::floppy
