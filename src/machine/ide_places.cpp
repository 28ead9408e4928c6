#include "machine/ide_places.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace softmetal::machine {

Result<IdePlaces> assign_ide_places(std::size_t disks, std::size_t cdroms) {
    using namespace layout;
    if (cdroms > ide_place_count - first_cdrom_place)
        return fail(fmt::format("a machine has at most {} CD-ROM drives, not {}",
                                ide_place_count - first_cdrom_place, cdroms));
    if (disks + cdroms > ide_place_count)
        return fail(
            fmt::format("a machine has at most {} IDE drives, not {}", ide_place_count, disks + cdroms));
    IdePlaces places;
    for (std::size_t i = 0; i < cdroms; i++) places[first_cdrom_place + i] = IdeOccupant{true, i};
    for (std::size_t i = 0; i < disks; i++)
        *std::ranges::find_if(places, [](const auto& p) { return !p.has_value(); }) = IdeOccupant{false, i};
    return places;
}

}  // namespace softmetal::machine
