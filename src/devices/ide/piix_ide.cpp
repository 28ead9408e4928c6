#include "devices/ide/piix_ide.hpp"

#include "devices/ide/ata_disk.hpp"
#include "devices/ide/atapi_cdrom.hpp"
#include "devices/pci/pci_registers.hpp"
#include "devices/state_reader.hpp"

namespace softmetal::devices::ide {

namespace {

constexpr pci::Identity identity{.vendor = 0x8086,
                                 .device = 0x7010,
                                 .revision = 0,
                                 .class_code = 0x010180,
                                 .subsystem_vendor = 0,
                                 .subsystem = 0};
constexpr unsigned bus_master_bar = 4;
constexpr u64 bus_master_ports = 16;
struct LegacyPorts {
    u64 command_block, control;
};
constexpr std::array<LegacyPorts, PiixIde::channel_count> legacy_ports{{{0x1f0, 0x3f6}, {0x170, 0x376}}};

std::unique_ptr<IdeDrive> make_drive(const std::optional<DriveSlot>& slot) {
    if (!slot) return nullptr;
    if (slot->kind == DriveKind::cdrom)
        return std::make_unique<AtapiCdrom>(slot->store ? std::optional(slot->store->size_bytes())
                                                        : std::nullopt);
    return std::make_unique<AtaDisk>(slot->store->size_bytes() / sector_bytes, slot->store->read_only(),
                                     slot->serial);
}

}  // namespace

/// A channel's command block at its legacy ports.
class PiixIde::CommandBlock final : public bus::IoHandler {
 public:
    CommandBlock(PiixIde& owner, Channel& channel) : owner_(owner), channel_(channel) {}
    u64 read_io(u64 offset, unsigned width) override;
    void write_io(u64 offset, unsigned width, u64 value) override;

 private:
    PiixIde& owner_;
    Channel& channel_;
};

struct PiixIde::Channel {
    Channel(PiixIde& ide, unsigned channel_number, IdeChannel::Drives drives)
        : owner(ide),
          number(channel_number),
          chip(std::move(drives)),
          interrupt(*ide.resources_.interrupts.at(channel_number)),
          command_block(ide, *this),
          control(*this, &Channel::read_control, &Channel::write_control) {}

    u8 read_control(u64 offset);
    void write_control(u64 offset, u8 value);

    PiixIde& owner;
    const unsigned number;
    mutable std::mutex mutex;
    std::condition_variable idle;
    IdeChannel chip;
    bool in_flight = false;    // a request to storage: one at a time, so that their order is the guest's
    unsigned completions = 0;  // that are still to come, or at work
    LineDriver interrupt;
    CommandBlock command_block;
    PortRange<Channel> control;
    bool mapped = false;
};

/// Both channels' bus masters behind the base address register.
class PiixIde::BusMasters final : public BytePorts {
 public:
    explicit BusMasters(PiixIde& owner) : owner_(owner) {}

 private:
    u8 read_port(u64 offset) override;
    void write_port(u64 offset, u8 value) override;
    PiixIde& owner_;
};

/// A request to storage on its way; its data must stay where it is.
struct PiixIde::Job {
    Channel& channel;
    unsigned drive;
    StorageRequest request;
};

// --- accesses

/// Runs `access` on the chip with the channel's lock, then does and tells what follows from it.
template <class Access>
auto PiixIde::with(Channel& channel, Access access) {
    struct Afterwards {
        PiixIde& owner;
        Channel& channel;
        std::unique_lock<std::mutex> lock;
        ~Afterwards() {
            owner.pump(channel);
            lock.unlock();
            channel.interrupt.flush();
        }
    } afterwards{*this, channel, std::unique_lock(channel.mutex)};
    return access(channel.chip);
}

u64 PiixIde::CommandBlock::read_io(u64 offset, unsigned width) {
    return owner_.with(channel_, [&](IdeChannel& chip) { return chip.read_command_block(offset, width); });
}

void PiixIde::CommandBlock::write_io(u64 offset, unsigned width, u64 value) {
    owner_.with(channel_, [&](IdeChannel& chip) { chip.write_command_block(offset, width, value); });
}

u8 PiixIde::Channel::read_control(u64 offset) {
    if (offset != 0) return BytePorts::undecoded;
    return owner.with(*this, [](IdeChannel& c) { return c.read_alternate_status(); });
}

void PiixIde::Channel::write_control(u64 offset, u8 value) {
    if (offset == 0) owner.with(*this, [value](IdeChannel& c) { c.write_control(value); });
}

u8 PiixIde::BusMasters::read_port(u64 offset) {
    if (offset >= bus_master_ports) return BytePorts::undecoded;
    return owner_.with(*owner_.channels_[offset / bus_master::size], [offset](IdeChannel& chip) {
        return chip.read_bus_master(offset % bus_master::size);
    });
}

void PiixIde::BusMasters::write_port(u64 offset, u8 value) {
    if (offset >= bus_master_ports) return;
    owner_.with(*owner_.channels_[offset / bus_master::size], [offset, value](IdeChannel& chip) {
        chip.write_bus_master(offset % bus_master::size, value);
    });
}

// --- what follows

void PiixIde::pump(Channel& channel) {
    channel.chip.move_data(dma());
    if (!channel.in_flight)
        if (auto wish = channel.chip.take_request()) submit(channel, std::move(*wish));
    channel.interrupt.set(channel.chip.update_interrupt());
}

void PiixIde::submit(Channel& channel, IdeChannel::Wish wish) {
    auto job = std::make_shared<Job>(Job{channel, wish.drive, std::move(wish.request)});
    bus::BlockStore& store = *resources_.drives[channel.number * drives_a_channel + wish.drive]->store;
    channel.in_flight = true;
    channel.completions++;
    const auto done = [this, job](bus::BlockStatus status) {
        Channel& c = job->channel;
        with(c, [&](IdeChannel& chip) {
            c.in_flight = false;
            chip.drive(job->drive).finish_request(status, std::move(job->request.data));
        });
        // Last: once nothing is left to come, somebody who waits may take the device away.
        const std::lock_guard lock(c.mutex);
        c.completions--;
        c.idle.notify_all();
    };
    switch (job->request.kind) {
        case StorageRequest::Kind::read: return store.read(job->request.offset, job->request.data, done);
        case StorageRequest::Kind::write: return store.write(job->request.offset, job->request.data, done);
        case StorageRequest::Kind::flush: return store.flush(done);
    }
}

/// The command that runs goes on to its end, or to where it needs the guest.
void PiixIde::drain(Channel& channel, std::unique_lock<std::mutex>& lock) {
    channel.idle.wait(lock, [&channel] { return channel.completions == 0; });
}

// --- configuration

PiixIde::PiixIde(const pci::Surroundings& surroundings, const Resources& resources)
    : PciFunction(identity, surroundings), ports_(surroundings.ports), resources_(resources) {
    for (unsigned i = 0; i < channel_count; i++) {
        IdeChannel::Drives drives;
        for (unsigned d = 0; d < drives_a_channel; d++)
            drives[d] = make_drive(resources_.drives[i * drives_a_channel + d]);
        channels_[i] = std::make_unique<Channel>(*this, i, std::move(drives));
        configuration().define(static_cast<u8>(timing + 2 * i), 2, 0, 0xffff);
    }
    bus_masters_ = std::make_unique<BusMasters>(*this);
    add_bar(bus_master_bar, pci::BarKind::port, bus_master_ports, *bus_masters_);
}

PiixIde::~PiixIde() {
    release_bars();
    for (const auto& channel : channels_) {
        map(*channel, false);
        std::unique_lock lock(channel->mutex);
        drain(*channel, lock);
    }
}

void PiixIde::map(Channel& channel, bool decoded) {
    if (decoded == channel.mapped) return;
    const LegacyPorts& at = legacy_ports[channel.number];
    if (decoded) {
        if (!ports_.attach({at.command_block, reg::file_size}, channel.command_block)) return;
        if (!ports_.attach({at.control, 1}, channel.control)) {
            ports_.detach(channel.command_block, at.command_block);
            return;
        }
    } else {
        ports_.detach(channel.command_block, at.command_block);
        ports_.detach(channel.control, at.control);
    }
    channel.mapped = decoded;
}

void PiixIde::apply_decoding() {
    const bool ports_on = configuration().read(pci::reg::command, 2) & pci::command::port_decode;
    for (const auto& channel : channels_) {
        const auto offset = static_cast<u8>(timing + 2 * channel->number);
        map(*channel, ports_on && configuration().read(offset, 2) & decode_enable);
    }
}

void PiixIde::configuration_written(u8, unsigned) { apply_decoding(); }

void PiixIde::enable_channels() {
    for (u8 i = 0; i < channel_count; i++)
        write_configuration(static_cast<u8>(timing + 2 * i), 2, decode_enable);
    write_configuration(pci::reg::command, 2,
                        read_configuration(pci::reg::command, 2) | pci::command::port_decode);
}

void PiixIde::reset() {
    reset_configuration();
    apply_decoding();
    for (const auto& channel : channels_) {
        {
            std::unique_lock lock(channel->mutex);
            drain(*channel, lock);
            channel->chip.reset();
            channel->interrupt.set(channel->chip.update_interrupt());
        }
        channel->interrupt.flush();
    }
}

// --- state

bus::SavedState PiixIde::save() const {
    nlohmann::json channels = nlohmann::json::array();
    for (const auto& channel : channels_) {
        std::unique_lock lock(channel->mutex);
        drain(*channel, lock);
        channels.push_back(channel->chip.save());
    }
    nlohmann::json fields{{"channels", std::move(channels)}, {"configuration", save_configuration()}};
    return {.schema = "piix_ide", .version = 1, .fields = std::move(fields)};
}

Result<std::unique_ptr<PiixIde>> PiixIde::restore(const pci::Surroundings& surroundings,
                                                  const Resources& resources, const bus::SavedState& state) {
    StateReader in(state, "piix_ide", 1);
    const nlohmann::json& configuration_fields = in.part("configuration");
    const nlohmann::json& channels = in.part("channels");
    in.require(channels.is_array() && channels.size() == channel_count, "there are two channels");
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    auto restored = std::make_unique<PiixIde>(surroundings, resources);
    for (unsigned i = 0; i < channel_count; i++)
        if (auto r = restored->channels_[i]->chip.restore(channels[i]); !r) return std::unexpected(r.error());
    if (auto r = restored->restore_configuration(configuration_fields); !r) return std::unexpected(r.error());
    restored->apply_decoding();
    for (const auto& channel : restored->channels_) restored->with(*channel, [](IdeChannel&) {});
    return restored;
}

}  // namespace softmetal::devices::ide
