// Host exceptions raised by generated code, handed to the engine that generated it.
#pragma once

#include "base/integers.hpp"

namespace softmetal::host {

/// The interrupted machine state, editable: execution continues as it says. A view of the signal frame.
class FaultFrame {
 public:
    explicit FaultFrame(void* ucontext) : context_(ucontext) {}
    [[nodiscard]] u8 vector() const;  // the processor's exception vector
    [[nodiscard]] u64 error_code() const;
    [[nodiscard]] u64 address() const;  // CR2; meaningful for vector 14
    [[nodiscard]] u64& rip();
    [[nodiscard]] u64& gpr(unsigned index);  // by x86 number
    [[nodiscard]] u64& rflags();
    [[nodiscard]] u32& mxcsr();
    /// The frame's FXSAVE image, first part of the XSAVE area.
    [[nodiscard]] void* fxsave_area();

 private:
    void* context_;
};

/// Answers whether the fault was its own; if not, the process dies of it as it should. Runs on the thread's
/// alternate signal stack.
using FaultHandler = bool (*)(FaultFrame& frame, void* owner);

/// Routes faults whose RIP lies in [code, code + size) to `handler`. For the life of the process or until
/// forgotten.
void route_faults(const void* code, u64 size, FaultHandler handler, void* owner);
void forget_faults(const void* code);

/// Every thread that runs generated code makes one of these first: an alternate stack for its signal
/// handlers.
class FaultStack {
 public:
    FaultStack();
    ~FaultStack();
    FaultStack(const FaultStack&) = delete;
    FaultStack& operator=(const FaultStack&) = delete;

 private:
    void* memory_ = nullptr;
};

}  // namespace softmetal::host
