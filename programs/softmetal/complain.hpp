// Sentences for the user on standard error. Where that is closed or full there is nobody to tell.
#pragma once

#include <string_view>

namespace softmetal {

/// Prints "softmetal: <sentence>" and a newline.
void complain(std::string_view sentence);
/// Prints `text` as it is.
void print_error_text(std::string_view text);

}  // namespace softmetal
