// The 256 words by which a drive identifies itself.
#pragma once

#include "base/integers.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <vector>

namespace softmetal::devices::ide {

class Identification {
 public:
    void set(unsigned word, u16 value) { words_.at(word) = value; }
    /// Padded with blanks; each word's first character is its upper byte.
    void text(unsigned word, unsigned size, std::string_view characters) {
        for (unsigned i = 0; i < size; i++) {
            const auto c = static_cast<u8>(i < characters.size() ? characters[i] : ' ');
            words_.at(word + i / 2) |= static_cast<u16>(i % 2 == 0 ? c << 8 : c);
        }
    }
    [[nodiscard]] std::vector<std::byte> bytes() const {
        std::vector<std::byte> bytes(sizeof words_);
        std::memcpy(bytes.data(), words_.data(), sizeof words_);
        return bytes;
    }

 private:
    std::array<u16, 256> words_{};
};

}  // namespace softmetal::devices::ide
