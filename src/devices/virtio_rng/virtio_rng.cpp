#include "devices/virtio_rng/virtio_rng.hpp"

#include <algorithm>

namespace softmetal::devices {

void VirtioRng::process(virtio::Transport& transport, unsigned queue) {
    for (unsigned i = 0; i < queue_size; ++i) {
        const auto chain = transport.pop(queue);
        if (!chain) return;
        std::array<std::byte, answer_max> storage;
        const auto bytes =
            std::span(storage).first(std::min(virtio::total_length(chain->writable), answer_max));
        entropy_(bytes);
        if (!virtio::scatter(transport.memory(), chain->writable, 0, bytes)) return transport.stop();
        transport.complete(queue, chain->head, static_cast<u32>(bytes.size()));
    }
}

Result<> VirtioRng::restore(const nlohmann::json& fields) {
    const auto model = fields.find("model");
    if (model == fields.end() || *model != "rng") return fail("saved state is not of an entropy source");
    return {};
}

}  // namespace softmetal::devices
