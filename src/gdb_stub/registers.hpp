// The registers that GDB sees, in the order of their numbers: the target description says them, and reads and
// writes reach a vCPU's state. GDB knows those of the org.gnu.gdb features by name (GDB manual, appendix
// G.5.6, "i386 Features"); those of the last feature it just shows.
#pragma once

#include "cpu/vcpu.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace softmetal::gdb_stub {

class RegisterSet {
 public:
    explicit RegisterSet(const CpuModel& model);

    [[nodiscard]] std::size_t count() const { return registers_.size(); }
    [[nodiscard]] std::size_t size(std::size_t number) const { return registers_[number].bits / 8; }
    /// Little-endian.
    [[nodiscard]] std::vector<std::byte> read(Vcpu& vcpu, std::size_t number) const;
    /// False where the register cannot take this value. While the vCPU stands.
    [[nodiscard]] bool write(Vcpu& vcpu, std::size_t number, std::span<const std::byte> value) const;

    /// target.xml (GDB manual, appendix G.2).
    [[nodiscard]] std::string description() const;

 private:
    enum class Kind : u8 {
        gpr,
        rip,
        flags,
        segment,
        x87_data,
        x87_control,
        xmm,
        mxcsr,
        ymm_high,
        segment_base,
        kernel_gs_base,
        control,
        efer,
    };
    struct Register {
        std::string name;
        unsigned bits;
        const char* type;
        Kind kind;
        unsigned index;
        const char* feature;
    };
    void add(const char* feature, std::string name, unsigned bits, const char* type, Kind kind,
             unsigned index = 0);
    [[nodiscard]] static u64 read_number(Vcpu& vcpu, const Register& r);
    [[nodiscard]] static bool write_number(Vcpu& vcpu, const Register& r, u64 value);

    std::vector<Register> registers_;
};

}  // namespace softmetal::gdb_stub
