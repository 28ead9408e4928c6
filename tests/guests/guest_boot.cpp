// guest_boot: boots a kernel with an initrd in this process, expects texts on its serial console one after
// another, optionally typing a line after each, and says how it went.
#include "guest_machine.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fmt/format.h>

using namespace softmetal;

int main(int argc, char** argv) {
    CLI::App app{"Boots a guest and checks what it says"};
    std::string kernel_path, initrd_path, command_line = "console=ttyS0";
    std::vector<std::string> expected, typed;
    unsigned cpus = 1, memory_mib = 256, seconds = 120;
    bool quiet = false, statistics = false, interpret = false, lockstep = false;
    app.add_option("kernel", kernel_path, "bzImage")->required();
    app.add_option("--initrd", initrd_path, "initial RAM file system");
    app.add_option("--append", command_line, "kernel command line");
    app.add_option("--expect", expected, "text to wait for; may be repeated");
    app.add_option("--type", typed, "line to type after the expected text of the same position");
    app.add_option("--cpus", cpus, "processors");
    app.add_option("--memory", memory_mib, "MiB of memory");
    app.add_option("--seconds", seconds, "patience for everything together");
    app.add_flag("--quiet", quiet, "do not copy the console to standard output");
    app.add_flag("--stats", statistics, "print the counters at the end");
    app.add_flag("--interpret", interpret, "use the interpreter only");
    app.add_flag("--lockstep", lockstep, "check the translator against the interpreter");
    CLI11_PARSE(app, argc, argv);

    const auto give_up = [](const std::string& why) {
        fmt::print(stderr, "guest_boot: {}\n", why);
        return 1;
    };
    guests::GuestMachine::Options options;
    options.config = {.memory_bytes = u64{memory_mib} << 20,
                      .cpus = cpus,
                      .mode = interpret ? machine::Mode::interpret : machine::Mode::automatic,
                      .lockstep = lockstep,
                      .command_line = command_line};
    options.echo = !quiet;
    auto kernel = guests::read_file(kernel_path);
    if (!kernel) return give_up(kernel.error().message);
    options.kernel = std::move(*kernel);
    if (!initrd_path.empty()) {
        auto initrd = guests::read_file(initrd_path);
        if (!initrd) return give_up(initrd.error().message);
        options.initrd = std::move(*initrd);
    }
    auto started = guests::GuestMachine::start(std::move(options));
    if (!started) return give_up(started.error().message);
    guests::GuestMachine& guest = **started;

    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    const auto left = [&] {
        return std::chrono::duration_cast<std::chrono::milliseconds>(deadline -
                                                                     std::chrono::steady_clock::now());
    };
    int status = 0;
    for (std::size_t i = 0; i < expected.size() && status == 0; i++) {
        if (!guest.expect(expected[i], left()))
            status = give_up(fmt::format("the guest never said \"{}\"", expected[i]));
        else if (i < typed.size())
            guest.type(typed[i] + "\n");
    }
    if (expected.empty() || typed.size() >= expected.size()) {
        if (!guest.wait(left())) status = give_up("the guest did not end in time");
    }
    guest.machine().request_stop();
    const auto end = guest.wait(std::chrono::seconds(10));
    if (!end) return give_up("the machine does not stop");
    fmt::print(stderr, "guest_boot: ended by {}\n{}", machine::to_string(end->reason), end->detail);
    if (statistics) fmt::print(stderr, "{}\n", guest.machine().statistics().dump(1));
    return status;
}
