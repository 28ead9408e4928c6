// VMware's backdoor port: IN answers in the caller's other registers, too, which no port of the bus can do.
// So it must know which processor asks.
#pragma once

#include "bus/address_space.hpp"
#include "cpu/vcpu.hpp"
#include "devices/vmware_pointer/vmware_pointer.hpp"

namespace softmetal::machine {

class VmwareBackdoor final : public bus::IoHandler {
 public:
    /// This thread runs `vcpu` as long as the object lives.
    class Caller {
     public:
        explicit Caller(Vcpu& vcpu);
        ~Caller();
        Caller(const Caller&) = delete;
        Caller& operator=(const Caller&) = delete;
    };

    explicit VmwareBackdoor(devices::VmwarePointer& pointer) : pointer_(pointer) {}

    [[nodiscard]] u64 read_io(u64 offset, unsigned width) override;
    void write_io(u64, unsigned, u64) override {}

 private:
    devices::VmwarePointer& pointer_;
};

}  // namespace softmetal::machine
