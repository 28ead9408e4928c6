// Port and memory-mapped I/O: which device answers which addresses.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"

#include <memory>

namespace softmetal::bus {

/// A device's registers. Offsets are relative to the range that was attached; widths are 1, 2, 4 or 8 bytes.
/// Called from vCPU threads with no lock held: the device's wiring locks. Must not fail: an access that means
/// nothing reads all ones and ignores writes, as an undecoded bus cycle does.
class IoHandler {
 public:
    virtual ~IoHandler() = default;
    [[nodiscard]] virtual u64 read_io(u64 offset, unsigned width) = 0;
    virtual void write_io(u64 offset, unsigned width, u64 value) = 0;
};

struct AddressRange {
    u64 first = 0;
    u64 size = 0;
    [[nodiscard]] constexpr bool contains(u64 a) const { return a - first < size; }
};

/// A sorted map of ranges. Attached while the machine is built, or by a PCI BAR write (which stops the vCPUs'
/// use of the map by its own lock). Lookups of unclaimed addresses read all ones.
class AddressSpace {
 public:
    AddressSpace();
    ~AddressSpace();
    AddressSpace(const AddressSpace&) = delete;
    AddressSpace& operator=(const AddressSpace&) = delete;

    /// Fails where the range is empty, wraps, or overlaps another.
    [[nodiscard]] Result<> attach(AddressRange range, IoHandler& handler);
    void detach(IoHandler& handler, u64 first);

    [[nodiscard]] u64 read(u64 address, unsigned width);
    void write(u64 address, unsigned width, u64 value);

 private:
    struct Map;
    std::unique_ptr<Map> map_;
};

}  // namespace softmetal::bus
