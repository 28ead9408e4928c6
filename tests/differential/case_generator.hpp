// One case of a form: an encoding, registers and memory that make it land where both sides have memory (or,
// now and then, where it must fault).
#pragma once

#include "instruction_form.hpp"
#include "random.hpp"
#include "test_case.hpp"

namespace softmetal::differential {

/// A function of (seed, form, number) alone.
void generate_case(const InstructionForm& form, u64 seed, u64 number, TestCase& out);

}  // namespace softmetal::differential
