// What a PS/2 device has ready for the controller: answers to commands, which go first, and what it tells of
// its own accord.
#pragma once

#include "base/integers.hpp"
#include "devices/state_reader.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace softmetal::devices {

class Ps2Bytes {
 public:
    static constexpr std::size_t capacity = 32;

    [[nodiscard]] bool empty() const { return count_ == 0; }
    [[nodiscard]] std::size_t room() const { return capacity - count_; }
    /// All of them or, where there is no room, none.
    bool push(std::span<const u8> bytes) {
        if (bytes.size() > capacity - count_) return false;
        std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(count_));
        count_ += bytes.size();
        return true;
    }
    /// None are read where it is empty.
    u8 pop() {
        if (count_ == 0) return 0;
        const u8 first = bytes_[0];
        std::shift_left(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(count_--), 1);
        return first;
    }
    void clear() { count_ = 0; }

    [[nodiscard]] nlohmann::json save() const {
        nlohmann::json list = nlohmann::json::array();
        for (const u8 byte : std::span(bytes_).first(count_)) list.push_back(byte);
        return list;
    }
    static Ps2Bytes load(StateReader& in, std::string_view name) {
        Ps2Bytes loaded;
        const nlohmann::json& list = in.part(name);
        in.require(list.is_array() && list.size() <= capacity, "more bytes wait than a device keeps");
        if (!in.good()) return {};
        loaded.count_ = list.size();
        in.numbers<u8>(name, std::span(loaded.bytes_).first(loaded.count_));
        return loaded;
    }

 private:
    std::array<u8, capacity> bytes_{};
    std::size_t count_ = 0;
};

}  // namespace softmetal::devices
