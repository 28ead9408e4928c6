// Instructions decoded lately: looking ahead for the end of a flag's life decodes what is translated soon
// after.
#pragma once

#include "decoder/decoder.hpp"
#include "interpreter/legality.hpp"

#include <algorithm>
#include <vector>

namespace softmetal::translator {

class DecodeCache {
 public:
    /// For a processor with these features.
    explicit DecodeCache(const CpuModel::Features& features) : features_(features), entries_(entry_count) {}

    /// The instruction at `code`, of which `available` bytes may be read, in code of that size.
    [[nodiscard]] std::expected<const Instruction*, DecodeError> decode_at(const u8* code,
                                                                           std::size_t available,
                                                                           unsigned code_size) {
        Entry& entry = entries_[reinterpret_cast<u64>(code) % entry_count];
        const Instruction& known = entry.instruction;
        // Code may have changed under it.
        if (entry.code == code && known.mode == code_size && known.length <= available &&
            std::equal(code, code + known.length, known.bytes.begin()))
            return &known;
        const auto decoded = decode_for_model({code, available}, code_size);
        if (!decoded) return std::unexpected(decoded.error());
        entry = {code, *decoded};
        return &entry.instruction;
    }

    /// The same without remembering it.
    [[nodiscard]] std::expected<Instruction, DecodeError> decode_for_model(std::span<const u8> bytes,
                                                                           unsigned code_size) const {
        auto decoded = decode(bytes, code_size);
        // What raises #UD instead leaves the flags to its handler.
        if (decoded && !interpreter::means_itself(features_, *decoded)) decoded->flags_killed = 0;
        return decoded;
    }

 private:
    static constexpr std::size_t entry_count = 1024;
    struct Entry {
        const u8* code = nullptr;
        Instruction instruction;
    };
    const CpuModel::Features& features_;
    std::vector<Entry> entries_;
};

}  // namespace softmetal::translator
