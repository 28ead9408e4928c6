// Ctrl-A and what follows it, picked out of the keys on their way to the guest.
#pragma once

#include "base/integers.hpp"

#include <span>
#include <string_view>
#include <vector>

namespace softmetal {

inline constexpr std::string_view escape_keys_help =
    "Ctrl-A x  stop the virtual machine and quit\n"
    "Ctrl-A p  press its power button\n"
    "Ctrl-A h  this help\n"
    "Ctrl-A Ctrl-A  send Ctrl-A to the guest\n";

class EscapeKeys {
 public:
    enum class Action : u8 { quit, press_power_button, help };

    /// Appends to `to_guest` what is meant for the guest and answers what is meant for us, in order.
    [[nodiscard]] std::vector<Action> filter(std::span<const u8> keys, std::vector<u8>& to_guest);

 private:
    bool after_escape_ = false;
};

}  // namespace softmetal
