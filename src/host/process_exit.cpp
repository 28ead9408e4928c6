#include "host/process_exit.hpp"

#include <unistd.h>

namespace softmetal::host {

void exit_now(int status) { _exit(status); }

}  // namespace softmetal::host
