#include "cpu/guest_exception.hpp"

namespace softmetal {

void raise(x86::Vector vector) { throw GuestException{.vector = vector}; }

void raise(x86::Vector vector, u32 error_code) {
    throw GuestException{.vector = vector, .error_code = error_code};
}

}  // namespace softmetal
