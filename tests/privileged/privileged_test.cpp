// Each program of this folder in each mode of ours: it must print what its source says, line for line.
#include "../guests/guest_machine.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

namespace softmetal::guests {
namespace {

using machine::EndReason;
using namespace std::chrono_literals;

struct Engine {
    std::string_view name;
    machine::Mode mode;
    bool lockstep = false;
};
constexpr std::array engines{Engine{"interpreted", machine::Mode::interpret},
                             Engine{"translated", machine::Mode::translate},
                             Engine{"lockstep", machine::Mode::translate, true}};

struct Expectation {
    std::string output;
    EndReason end = EndReason::guest_exit;
};

/// What the source says: ";| " and a line of output; ";! triple fault" where that is how it shall end.
Expectation expectation(const std::filesystem::path& source) {
    std::ifstream file(source);
    Expectation expected;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(";| ")) expected.output += line.substr(3) + "\n";
        if (line == ";! triple fault") expected.end = EndReason::triple_fault;
    }
    return expected;
}

class PrivilegedBehaviour : public testing::Test {
 public:
    PrivilegedBehaviour(std::string program, const Engine& engine)
        : program_(std::move(program)), engine_(engine) {}

    void TestBody() override {
        const auto image = read_file(SOFTMETAL_PRIVILEGED_IMAGES + program_);
        ASSERT_TRUE(image) << image.error().message;
        GuestMachine::Options options;
        options.config = {.memory_bytes = 64u << 20,
                          .mode = engine_.mode,
                          .lockstep = engine_.lockstep,
                          .debug_exit_port = u16{0xf4}};
        options.kernel = *image;
        auto started = GuestMachine::start(std::move(options));
        ASSERT_TRUE(started) << started.error().message;
        const auto end = (*started)->wait(60s);
        const std::string output = (*started)->output();
        ASSERT_TRUE(end) << "it did not end; it wrote:\n" << output;
        const Expectation expected = expectation(SOFTMETAL_PRIVILEGED_SOURCES + program_ + ".asm");
        EXPECT_EQ(end->reason, expected.end) << end->detail;
        EXPECT_EQ(output, expected.output);
    }

 private:
    std::string program_;
    const Engine& engine_;
};

}  // namespace
}  // namespace softmetal::guests

int main(int count, char** arguments) {
    using namespace softmetal::guests;
    testing::InitGoogleTest(&count, arguments);
    for (const auto& file : std::filesystem::directory_iterator(SOFTMETAL_PRIVILEGED_SOURCES)) {
        if (file.path().extension() != ".asm") continue;
        const std::string program = file.path().stem().string();
        for (const Engine& engine : engines)
            testing::RegisterTest("Privileged", (program + "_" + std::string(engine.name)).c_str(), nullptr,
                                  nullptr, __FILE__, __LINE__, [=, &engine]() -> testing::Test* {
                                      return new PrivilegedBehaviour(program, engine);
                                  });
    }
    return RUN_ALL_TESTS();
}
