#include "escape_keys.hpp"

namespace softmetal {
namespace {

constexpr u8 control_a = 1;

}  // namespace

std::vector<EscapeKeys::Action> EscapeKeys::filter(std::span<const u8> keys, std::vector<u8>& to_guest) {
    std::vector<Action> actions;
    for (const u8 key : keys) {
        if (!after_escape_) {
            if (key == control_a)
                after_escape_ = true;
            else
                to_guest.push_back(key);
            continue;
        }
        after_escape_ = false;
        switch (key) {
            case control_a: to_guest.push_back(key); break;
            case 'x':
            case 'X': actions.push_back(Action::quit); break;
            case 'p':
            case 'P': actions.push_back(Action::press_power_button); break;
            default: actions.push_back(Action::help); break;
        }
    }
    return actions;
}

}  // namespace softmetal
