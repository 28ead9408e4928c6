// The table of functions translated code calls.
#pragma once

#include "translator/stubs.hpp"

namespace softmetal {

class Translator;
[[nodiscard]] translator::MonitorCalls monitor_calls(Translator& t);

}  // namespace softmetal
