#include "devices/coprocessor_error/coprocessor_error.hpp"

#include "base/bits.hpp"
#include "devices/state_reader.hpp"

namespace softmetal::devices {

Result<std::unique_ptr<CoprocessorError>> CoprocessorError::restore(const Resources& resources,
                                                                    const bus::SavedState& saved) {
    StateReader read(saved, "coprocessor_error", 1);
    const bool latched = read.flag("latched");
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    auto device = std::make_unique<CoprocessorError>(resources);
    device->drive(latched);
    return device;
}

void CoprocessorError::drive(bool high) {
    {
        const std::lock_guard lock(mutex_);
        interrupt_.set(high);
    }
    interrupt_.flush();
}

void CoprocessorError::numeric_error() { drive(true); }

u64 CoprocessorError::read_io(u64, unsigned width) { return low_bits(8 * width); }

void CoprocessorError::write_io(u64, unsigned, u64) {
    {
        const std::lock_guard lock(mutex_);
        if (!interrupt_.level()) return;
        interrupt_.set(false);
    }
    processor_.ignore_numeric_error();
    interrupt_.flush();
}

void CoprocessorError::reset() { drive(false); }

bus::SavedState CoprocessorError::save() const {
    const std::lock_guard lock(mutex_);
    return {"coprocessor_error", 1, {{"latched", interrupt_.level()}}};
}

}  // namespace softmetal::devices
