// x87 exceptions as the PC reports them to a system that has left CR0.NE clear: the processor's pins FERR#
// and IGNNE# (SDM vol. 1, 8.7.2 and appendix D.2).
#pragma once

namespace softmetal::bus {

/// What FERR# leads to.
class NumericErrorReceiver {
 public:
    virtual ~NumericErrorReceiver() = default;
    /// FERR# has risen: an x87 instruction waits for an interrupt, because of an exception of an earlier one.
    virtual void numeric_error() = 0;
};

/// What IGNNE# comes from.
class NumericErrorPort {
 public:
    virtual ~NumericErrorPort() = default;
    /// x87 instructions shall run in spite of the exception that is pending, until it has been cleared. Any
    /// thread.
    virtual void ignore_numeric_error() = 0;
};

}  // namespace softmetal::bus
