#include "complain.hpp"

#include <cstdio>
#include <fmt/format.h>

namespace softmetal {

void complain(std::string_view sentence) { print_error_text(fmt::format("softmetal: {}\n", sentence)); }

// Not fmt::print(), which throws where it cannot write.
void print_error_text(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

}  // namespace softmetal
