#include "command.hpp"

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

namespace softmetal {
namespace {

constexpr int patience_ms = 60'000;

std::array<int, 2> make_pipe() {
    std::array<int, 2> fds{-1, -1};
    EXPECT_EQ(pipe2(fds.data(), O_CLOEXEC), 0);
    return fds;
}

void close_once(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
}

std::string quoted(const std::string& argument) {
    std::string text = "'";
    for (const char c : argument) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return text + "'";
}

[[noreturn]] void execute(const std::string& script) {
    execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
    _exit(127);
}

}  // namespace

Command::Command(const std::vector<std::string>& arguments, Streams streams,
                 const std::string& redirections) {
    std::string script = "exec " + quoted(SOFTMETAL_PROGRAM);
    for (const std::string& argument : arguments) script += " " + quoted(argument);
    script += " " + redirections;
    if (streams == Streams::terminal) {
        const termios mode = former_mode();
        pid_ = forkpty(&in_, nullptr, &mode, nullptr);
        if (pid_ == 0) execute(script);
        fcntl(in_, F_SETFD, FD_CLOEXEC);
        out_ = dup(in_);
        return;
    }
    const auto in = make_pipe(), out = make_pipe(), err = make_pipe();
    pid_ = fork();
    if (pid_ == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        execute(script);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    in_ = in[1];
    out_ = out[0];
    err_ = err[0];
}

Command::~Command() {
    if (status_ < 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    close_once(in_);
    close_once(out_);
    close_once(err_);
}

void Command::type(std::string_view text) {
    ASSERT_EQ(write(in_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

void Command::close_input() { close_once(in_); }
void Command::close_output() { close_once(out_); }
void Command::signal(int number) const { kill(pid_, number); }

termios Command::former_mode() {
    termios mode{};
    mode.c_iflag = ICRNL | IXON | IXANY;
    mode.c_oflag = OPOST | ONLCR;
    mode.c_cflag = CS8 | CREAD | B38400;
    mode.c_lflag = ISIG | ICANON | ECHO | ECHOE | IEXTEN;
    mode.c_cc[VINTR] = 'G' - '@';
    mode.c_cc[VEOF] = 'D' - '@';
    mode.c_cc[VERASE] = 0x7f;
    mode.c_cc[VMIN] = 1;
    return mode;
}

/// False where nothing came in time or both streams are at their end.
bool Command::read_some(int timeout_ms) {
    std::array<pollfd, 2> fds = {pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
    if (out_ < 0 && err_ < 0) return false;
    if (poll(fds.data(), fds.size(), timeout_ms) <= 0) return false;
    std::array<char, 65536> buffer;
    for (std::size_t i = 0; i < fds.size(); ++i) {
        if (fds[i].fd < 0 || fds[i].revents == 0) continue;
        const ssize_t count = read(fds[i].fd, buffer.data(), buffer.size());
        // A terminal whose last user is gone says EIO.
        if (count <= 0)
            close_once(i == 0 ? out_ : err_);
        else
            (i == 0 ? output_ : errors_).append(buffer.data(), static_cast<std::size_t>(count));
    }
    return true;
}

bool Command::shows(const std::string& text) {
    const auto look = [&](const std::string& stream, std::size_t& seen) {
        const auto at = stream.find(text, seen);
        if (at == std::string::npos) return false;
        seen = at + text.size();
        return true;
    };
    for (;;) {
        if (look(output_, output_seen_) || look(errors_, errors_seen_)) return true;
        if (!read_some(patience_ms)) return false;
    }
}

int Command::status() {
    if (status_ >= 0) return status_;
    const auto begun = std::chrono::steady_clock::now();
    int raw = 0;
    while (waitpid(pid_, &raw, WNOHANG) == 0) {
        read_some(20);
        if (out_ < 0 && err_ < 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        if (std::chrono::steady_clock::now() - begun > std::chrono::milliseconds(patience_ms)) {
            ADD_FAILURE() << "still running after a minute";
            kill(pid_, SIGKILL);
            waitpid(pid_, &raw, 0);
            break;
        }
    }
    while (read_some(0)) {
    }
    status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : 1000 + WTERMSIG(raw);
    return status_;
}

pid_t Command::vm_process_id() const {
    const std::string pid = std::to_string(pid_);
    std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
    for (pid_t child = 0; children >> child;) {
        std::string name;
        std::getline(std::ifstream("/proc/" + std::to_string(child) + "/comm"), name);
        if (name == "softmetal-vm") return child;
    }
    return 0;
}

std::vector<std::string> run_guest(const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"run", "--kernel", SOFTMETAL_ASSEMBLED_GUESTS + name, "--memory",
                                          "16M"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

}  // namespace softmetal
