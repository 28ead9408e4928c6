// A block store that is something of the host's, which can refuse.
#pragma once

#include "bus/backends/block_store.hpp"

#include <string>

namespace softmetal::disk {

class HostStore : public bus::BlockStore {
 public:
    /// What the host refused first, "cannot write: No space left on device"; empty where it refused nothing.
    /// The guest has seen an I/O error and cannot know why. Any thread.
    [[nodiscard]] virtual std::string first_failure() const = 0;
};

}  // namespace softmetal::disk
