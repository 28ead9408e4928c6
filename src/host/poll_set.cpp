#include "host/poll_set.hpp"

#include <cstddef>
#include <limits>
#include <poll.h>

namespace softmetal::host {

int PollSet::add(int fd, const Events& wanted) {
    short mask = 0;
    if (wanted.read) mask |= POLLIN;
    if (wanted.write) mask |= POLLOUT;
    if (wanted.urgent) mask |= POLLPRI;
    entries_.push_back({fd, mask, 0});
    return static_cast<int>(entries_.size()) - 1;
}

bool PollSet::wait(std::optional<u32> milliseconds) {
    static_assert(sizeof(Entry) == sizeof(pollfd) && offsetof(Entry, fd) == offsetof(pollfd, fd) &&
                  offsetof(Entry, wanted) == offsetof(pollfd, events) &&
                  offsetof(Entry, happened) == offsetof(pollfd, revents));
    constexpr u32 longest = std::numeric_limits<int>::max();
    const int timeout = milliseconds ? static_cast<int>(std::min(*milliseconds, longest)) : -1;
    for (Entry& e : entries_) e.happened = 0;
    return poll(reinterpret_cast<pollfd*>(entries_.data()), entries_.size(), timeout) >= 0;
}

PollSet::Events PollSet::events(int number) const {
    const auto index = static_cast<std::size_t>(number);
    if (number < 0 || index >= entries_.size()) return {};
    const short happened = entries_[index].happened;
    return {.read = (happened & POLLIN) != 0,
            .write = (happened & POLLOUT) != 0,
            .urgent = (happened & POLLPRI) != 0,
            .hang_up = (happened & POLLHUP) != 0,
            .error = (happened & (POLLERR | POLLNVAL)) != 0};
}

}  // namespace softmetal::host
