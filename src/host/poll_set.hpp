// Descriptors to wait for once, for libraries that name theirs anew before every wait.
#pragma once

#include "base/integers.hpp"

#include <optional>
#include <vector>

namespace softmetal::host {

class PollSet {
 public:
    /// What is waited for, and what has happened; `hang_up` and `error` always count.
    struct Events {
        bool read = false, write = false, urgent = false, hang_up = false, error = false;
    };
    void clear() { entries_.clear(); }
    /// The number that events() knows it by.
    int add(int fd, const Events& wanted);
    /// Milliseconds; without any for ever. False where the system call failed or was interrupted.
    bool wait(std::optional<u32> milliseconds);
    /// After wait().
    [[nodiscard]] Events events(int number) const;

 private:
    struct Entry {
        int fd;
        short wanted, happened;  // as struct pollfd
    };
    std::vector<Entry> entries_;
};

}  // namespace softmetal::host
