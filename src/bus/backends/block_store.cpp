// Scattered transfers for stores that only know whole buffers.
#include "bus/backends/block_store.hpp"

#include <algorithm>
#include <memory>

namespace softmetal::bus {

namespace {

std::shared_ptr<std::vector<std::byte>> buffer_for(const BlockStore::Places& places) {
    std::size_t size = 0;
    for (const auto& place : places) size += place.size();
    return std::make_shared<std::vector<std::byte>>(size);
}

}  // namespace

void BlockStore::read_places(u64 offset, Places into, Completion done) {
    auto buffer = buffer_for(into);
    read(offset, *buffer, [buffer, into = std::move(into), done = std::move(done)](BlockStatus status) {
        auto from = buffer->begin();
        if (status == BlockStatus::ok) {
            for (const auto& place : into) {
                std::copy_n(from, place.size(), place.begin());
                from += static_cast<std::ptrdiff_t>(place.size());
            }
        }
        done(status);
    });
}

void BlockStore::write_places(u64 offset, const Places& from, Completion done) {
    auto buffer = buffer_for(from);
    auto to = buffer->begin();
    for (const auto& place : from) to = std::ranges::copy(place, to).out;
    write(offset, *buffer, [buffer, done = std::move(done)](BlockStatus status) { done(status); });
}

}  // namespace softmetal::bus
