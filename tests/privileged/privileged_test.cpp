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

/// What the source says: ";| " and a line of output; ";! triple fault" where that is how it shall end;
/// "%define cpus n" where it runs on more than one processor.
struct Program {
    std::string name, output;
    EndReason end = EndReason::guest_exit;
    unsigned cpus = 1;
};

Program read_source(const std::filesystem::path& source) {
    constexpr std::string_view output = ";| ", cpus = "%define cpus ";
    std::ifstream file(source);
    Program program{.name = source.stem().string(), .output = {}};
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(output)) program.output += line.substr(output.size()) + "\n";
        if (line == ";! triple fault") program.end = EndReason::triple_fault;
        if (line.starts_with(cpus))
            program.cpus = static_cast<unsigned>(std::stoul(line.substr(cpus.size())));
    }
    return program;
}

class PrivilegedBehaviour : public testing::Test {
 public:
    PrivilegedBehaviour(Program program, const Engine& engine)
        : program_(std::move(program)), engine_(engine) {}

    void TestBody() override {
        const auto image = read_file(SOFTMETAL_PRIVILEGED_IMAGES + program_.name);
        ASSERT_TRUE(image) << image.error().message;
        GuestMachine::Options options;
        options.config = {.memory_bytes = 64u << 20,
                          .cpus = program_.cpus,
                          .mode = engine_.mode,
                          .lockstep = engine_.lockstep,
                          .debug_exit_port = u16{0xf4}};
        options.kernel = *image;
        auto started = GuestMachine::start(std::move(options));
        ASSERT_TRUE(started) << started.error().message;
        const auto end = (*started)->wait(60s);
        const std::string output = (*started)->output();
        ASSERT_TRUE(end) << "it did not end; it wrote:\n" << output;
        EXPECT_EQ(end->reason, program_.end) << end->detail;
        EXPECT_EQ(output, program_.output);
    }

 private:
    Program program_;
    const Engine& engine_;
};

}  // namespace
}  // namespace softmetal::guests

int main(int count, char** arguments) {
    using namespace softmetal::guests;
    testing::InitGoogleTest(&count, arguments);
    for (const auto& file : std::filesystem::directory_iterator(SOFTMETAL_PRIVILEGED_SOURCES)) {
        if (file.path().extension() != ".asm") continue;
        const Program program = read_source(file.path());
        for (const Engine& engine : engines) {
            if (engine.lockstep && program.cpus > 1) continue;  // it is for machines of one
            testing::RegisterTest("Privileged", (program.name + "_" + std::string(engine.name)).c_str(),
                                  nullptr, nullptr, __FILE__, __LINE__, [=, &engine]() -> testing::Test* {
                                      return new PrivilegedBehaviour(program, engine);
                                  });
        }
    }
    return RUN_ALL_TESTS();
}
