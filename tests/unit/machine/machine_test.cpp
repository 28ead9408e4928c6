// What a machine refuses to be built from. Machines that run are tested by tests/guests.
#include "machine/machine.hpp"

#include "kernel_file.hpp"
#include "machine_resources.hpp"

#include <gmock/gmock.h>

namespace softmetal::machine {
namespace {

using ::testing::HasSubstr;

std::string refusal(const MachineConfig& config) {
    testing::Outside outside;
    MachineResources resources = outside.resources();
    const KernelFile kernel;
    resources.kernel.assign(kernel.bytes().begin(), kernel.bytes().end());
    const auto machine = Machine::create(config, resources);
    return machine ? "accepted" : machine.error().message;
}

constexpr u64 mib = 1u << 20;

TEST(Machine, RefusesImpossibleConfigurations) {
    EXPECT_EQ(refusal({.memory_bytes = 64 * mib}), "accepted");
    EXPECT_THAT(refusal({.memory_bytes = 64 * mib, .cpus = 0}), HasSubstr("1 to 64 processors, not 0"));
    EXPECT_THAT(refusal({.memory_bytes = 64 * mib, .cpus = 65}), HasSubstr("not 65"));
    EXPECT_THAT(refusal({.memory_bytes = 64 * mib + 1}), HasSubstr("whole number of pages"));
    EXPECT_THAT(refusal({.memory_bytes = mib}), HasSubstr("from 2 MiB on"));
    EXPECT_THAT(refusal({.memory_bytes = 16 * mib}), HasSubstr("needs at least 17 MiB"));
}

TEST(Machine, RefusesEnginesThatCannotRunIt) {
    EXPECT_THAT(refusal({.memory_bytes = 64 * mib, .cpus = 2, .lockstep = true}), HasSubstr("one processor"));
    EXPECT_THAT(refusal({.memory_bytes = 64 * mib, .mode = Mode::interpret, .lockstep = true}),
                HasSubstr("lockstep"));
    EXPECT_EQ(refusal({.memory_bytes = 64 * mib, .cpus = 2}), "accepted");
    EXPECT_EQ(refusal({.memory_bytes = 64 * mib, .cpus = 2, .mode = Mode::translate}), "accepted");
    EXPECT_EQ(refusal({.memory_bytes = 64 * mib, .lockstep = true}), "accepted");
}

TEST(Machine, SaysWhatAKernelThatFirmwareStartsNeeds) {
    EXPECT_THAT(refusal({.memory_bytes = 64 * mib, .kernel_by_firmware = true}),
                HasSubstr("install Debian's package seabios"));
    EXPECT_THAT(refusal({.memory_bytes = 2 * mib, .kernel_by_firmware = true}), HasSubstr("needs at least"));
}

TEST(Machine, HasStatisticsBeforeItRuns) {
    testing::Outside outside;
    MachineResources resources = outside.resources();
    const KernelFile kernel;
    resources.kernel.assign(kernel.bytes().begin(), kernel.bytes().end());
    const auto machine = Machine::create({.memory_bytes = 64 * mib, .cpus = 2}, resources);
    ASSERT_TRUE(machine) << machine.error().message;
    const auto statistics = (*machine)->statistics();
    EXPECT_EQ(statistics.at("cpus").size(), 2u);
    EXPECT_EQ(statistics.at("total").at("instructions_interpreted"), 0u);
}

}  // namespace
}  // namespace softmetal::machine
