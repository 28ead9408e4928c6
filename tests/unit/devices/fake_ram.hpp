// Guest memory for devices under test.
#pragma once

#include "bus/dma.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace softmetal::devices::testing {

class FakeRam : public bus::DmaView {
 public:
    explicit FakeRam(u64 size = 16 << 20) : bytes_(size) {}
    [[nodiscard]] bool read(GuestPhysical a, std::span<std::byte> into) const override {
        if (a.value > bytes_.size() || into.size() > bytes_.size() - a.value) return false;
        std::ranges::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(a.value),
                            static_cast<std::ptrdiff_t>(into.size()), into.begin());
        return true;
    }
    [[nodiscard]] bool write(GuestPhysical a, std::span<const std::byte> from) override {
        if (a.value > bytes_.size() || from.size() > bytes_.size() - a.value) return false;
        std::ranges::copy(from, bytes_.begin() + static_cast<std::ptrdiff_t>(a.value));
        return true;
    }
    [[nodiscard]] bool locate(GuestPhysical a, u64 length, bool,
                              std::vector<std::span<std::byte>>& places) const override {
        if (a.value > bytes_.size() || length > bytes_.size() - a.value) return false;
        places.push_back(std::span(bytes_).subspan(a.value, length));
        return true;
    }
    void changing(GuestPhysical a, u64 length) override { changes.emplace_back(a.value, length); }
    /// What changing() was told, in order.
    std::vector<std::pair<u64, u64>> changes;

    template <class T>
    void put(u64 address, T value) {
        std::memcpy(bytes_.data() + address, &value, sizeof value);
    }
    template <class T>
    [[nodiscard]] T get(u64 address) const {
        T value;
        std::memcpy(&value, bytes_.data() + address, sizeof value);
        return value;
    }
    [[nodiscard]] std::span<std::byte> at(u64 address, u64 size) {
        return std::span(bytes_).subspan(address, size);
    }
    [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
    void load(const std::vector<std::byte>& bytes) { bytes_ = bytes; }

 private:
    mutable std::vector<std::byte> bytes_;  // a view that only reads gives places to write to
};

}  // namespace softmetal::devices::testing
