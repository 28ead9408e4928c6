#include "devices/virtio_console/virtio_console.hpp"

#include "devices/state_reader.hpp"

#include <algorithm>

namespace softmetal::devices {

void VirtioConsole::connect(virtio::Transport& transport) {
    transport_ = &transport;
    stream_.on_readable([this] { on_stream(&VirtioConsole::receive); });
    stream_.on_writable([this] { on_stream(&VirtioConsole::transmit); });
}

VirtioConsole::~VirtioConsole() {
    stream_.on_readable([] {});
    stream_.on_writable([] {});
}

void VirtioConsole::on_stream(void (VirtioConsole::*what)(virtio::Transport&)) {
    const std::lock_guard lock(transport_->mutex());
    if (transport_->running()) (this->*what)(*transport_);
}

void VirtioConsole::process(virtio::Transport& transport, unsigned queue) {
    if (queue == transmit_queue) return transmit(transport);
    receive(transport);
}

void VirtioConsole::transmit(virtio::Transport& transport) {
    for (unsigned i = 0; i <= queue_size; ++i) {
        const std::size_t taken = stream_.write_some(unsent_);
        unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(taken));
        if (!unsent_.empty()) return;
        const auto chain = transport.pop(transmit_queue);
        if (!chain) return;
        unsent_.resize(std::min(virtio::total_length(chain->readable), output_max));
        if (!virtio::gather(transport.memory(), chain->readable, 0,
                            std::as_writable_bytes(std::span(unsent_)))) {
            unsent_.clear();
            return transport.stop();
        }
        transport.complete(transmit_queue, chain->head, 0);
    }
}

void VirtioConsole::receive(virtio::Transport& transport) {
    for (unsigned i = 0; i < queue_size; ++i) {
        if (unread_.empty()) {
            unread_.resize(input_max);
            unread_.resize(stream_.read(unread_));
        }
        if (unread_.empty()) return;
        const auto chain = transport.pop(receive_queue);
        if (!chain) return;
        const u64 count = std::min<u64>(unread_.size(), virtio::total_length(chain->writable));
        const auto bytes = std::as_bytes(std::span(unread_)).first(count);
        if (!virtio::scatter(transport.memory(), chain->writable, 0, bytes)) return transport.stop();
        unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(count));
        transport.complete(receive_queue, chain->head, static_cast<u32>(count));
    }
}

void VirtioConsole::reset() {
    unsent_.clear();
    unread_.clear();
}

nlohmann::json VirtioConsole::save() const {
    return {{"model", "console"}, {"unsent", unsent_}, {"unread", unread_}};
}

Result<> VirtioConsole::restore(const nlohmann::json& fields) {
    StateReader in(fields, "virtio console");
    const auto model = fields.find("model");
    in.require(model != fields.end() && *model == "console", "it is of another device");
    const auto bytes = [&](const char* name, std::size_t most, std::vector<u8>& into) {
        const nlohmann::json& list = in.part(name);
        in.require(list.is_array() && list.size() <= most, "more bytes wait than can");
        into.resize(in.good() ? list.size() : 0);
        in.numbers<u8>(name, into);
    };
    std::vector<u8> unsent, unread;
    bytes("unsent", output_max, unsent);
    bytes("unread", input_max, unread);
    if (auto read = in.finish(); !read) return read;
    unsent_ = std::move(unsent);
    unread_ = std::move(unread);
    return {};
}

}  // namespace softmetal::devices
