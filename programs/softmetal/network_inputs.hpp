// What the options say about the guest's networks: a card for each, what is at its cable's other end, and the
// cards' boot program.
#pragma once

#include "base/result.hpp"
#include "options.hpp"
#include "run_inputs.hpp"

namespace softmetal {

/// The boot program named by the user, or iPXE as Debian builds it for the card, where the firmware has a use
/// for one. The boot menu does without.
[[nodiscard]] Result<> open_network_rom(const RunOptions& options, RunInputs& inputs);

/// Cards with addresses of their own, and their networks.
[[nodiscard]] Result<> add_networks(const RunOptions& options, RunInputs& inputs);

}  // namespace softmetal
