// What a machine takes from the host: memory that the guest has used, and no processor time while it sleeps.
#include "command.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <unistd.h>

namespace softmetal {
namespace {

std::vector<std::string> run_with_memory(const std::string& guest, const std::string& memory) {
    std::vector<std::string> arguments = run_guest(guest);
    arguments.back() = memory;
    return arguments;
}

long peak_resident_kib(pid_t process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("VmHWM:")) return std::stol(line.substr(6));
    return -1;
}

/// Fields 14 and 15 of proc(5)'s stat, in user mode and in the kernel; the 2nd ends with the last
/// parenthesis.
double processor_seconds(pid_t process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/stat");
    std::string line;
    std::getline(file, line);
    std::istringstream fields(line.substr(line.rfind(')') + 1));
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    long user = 0, system = 0;
    fields >> user >> system;
    return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

TEST(Resources, GuestMemoryIsTakenAsItIsUsed) {
    Command command(run_with_memory("echo", "2G"));
    ASSERT_TRUE(command.shows("ready"));
    const long peak = peak_resident_kib(command.vm_process_id());
    EXPECT_GT(peak, 0);
    EXPECT_LT(peak, 100 << 10);
}

TEST(Resources, SleepingGuestTakesNoProcessorTime) {
    Command command(run_guest("sleep_forever"));
    ASSERT_TRUE(eventually([&] { return command.vm_process_id() != 0; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(1000));
    const double before = processor_seconds(command.vm_process_id());
    std::this_thread::sleep_for(std::chrono::milliseconds(2000));
    EXPECT_LE(processor_seconds(command.vm_process_id()) - before, 0.04);  // 2 %
}

}  // namespace
}  // namespace softmetal
