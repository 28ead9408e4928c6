// Who sits where on the IDE cables.
#pragma once

#include "base/result.hpp"
#include "machine/board_layout.hpp"

#include <optional>

namespace softmetal::machine {

/// One of the machine's IDE disks or CD-ROM drives, by its number among them.
struct IdeOccupant {
    bool cdrom = false;
    std::size_t number = 0;
};
using IdePlaces = std::array<std::optional<IdeOccupant>, layout::ide_place_count>;

/// CD-ROM drives are on the second cable, disks wherever there is room, in order.
[[nodiscard]] Result<IdePlaces> assign_ide_places(std::size_t disks, std::size_t cdroms);

}  // namespace softmetal::machine
