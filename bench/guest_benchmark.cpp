// The benchmark that bench/compare runs natively and in guests: one static program, fixed work a row.
// Prints "name ns-per-operation checksum" a row; equal checksums mean that both computed the same.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <numeric>
#include <sched.h>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

struct Work {
    std::uint64_t operations;
    std::uint64_t checksum;
};

struct Row {
    const char* name;
    Work (*run)();
};

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

std::uint64_t next_random(std::uint64_t& state) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

// ---- computing ----

Work integer() {
    constexpr std::uint64_t count = 150'000'000;
    std::uint64_t a = 1, b = 0x9e3779b97f4a7c15;
    for (std::uint64_t i = 0; i < count; ++i) {
        a = (a * 6364136223846793005 + i) ^ (b >> 29);
        b += a & 1 ? a << 3 : a >> 5;
    }
    return {count, a ^ b};
}

Work scalar_float() {
    constexpr std::uint64_t count = 120'000'000;
    double x = 0.5, sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        x = 3.7 * x * (1 - x);
        sum += std::sqrt(x + 1) / (x + 0.25);
        asm volatile("" : "+x"(x));  // scalar, as the name says
    }
    return {count, static_cast<std::uint64_t>(sum)};
}

Work matmul() {
    constexpr int n = 512, repeat = 20;
    static std::array<std::array<float, n>, n> a, b, c;
    for (int i = 0; i < n; ++i)
        for (int j = 0; j < n; ++j) {
            a[i][j] = static_cast<float>((i * j) % 7) - 3;
            b[i][j] = static_cast<float>((i + j) % 5) - 2;
        }
    using Vector = float __attribute__((vector_size(32)));
    for (int round = 0; round < repeat; ++round)
        for (int i = 0; i < n; ++i)
            for (int j = 0; j < n; j += 32) {
                Vector sum[4] = {};
                for (int k = 0; k < n; ++k)
                    for (int part = 0; part < 4; ++part) {
                        Vector row;
                        std::memcpy(&row, &b[k][j + part * 8], sizeof row);
                        sum[part] += row * a[i][k];
                    }
                std::memcpy(&c[i][j], sum, sizeof sum);
                asm volatile("" ::: "memory");
            }
    double total = 0;
    for (const auto& row : c) total += std::accumulate(row.begin(), row.end(), 0.0);
    return {std::uint64_t{repeat} * n * n * n, static_cast<std::uint64_t>(static_cast<std::int64_t>(total))};
}

Work pointer_chase() {
    constexpr std::uint32_t size = 1 << 18;  // 1 MiB: second-level cache, 256 pages
    constexpr std::uint64_t count = 40'000'000;
    std::vector<std::uint32_t> order(size), next(size);
    std::iota(order.begin(), order.end(), 0U);
    std::uint64_t seed = 88172645463325252;
    for (std::uint32_t i = size - 1; i > 0; --i) std::swap(order[i], order[next_random(seed) % (i + 1)]);
    for (std::uint32_t i = 0; i < size; ++i) next[order[i]] = order[(i + 1) % size];
    std::uint32_t at = 0;
    for (std::uint64_t i = 0; i < count; ++i) at = next[at];
    return {count, at};
}

int compare_ints(const void* left, const void* right) {
    const int a = *static_cast<const int*>(left), b = *static_cast<const int*>(right);
    return (a > b) - (a < b);
}

Work sort() {
    constexpr std::size_t size = 1'500'000, repeat = 2;
    std::vector<int> values(size);
    std::uint64_t seed = 42, sum = 0;
    for (std::size_t round = 0; round < repeat; ++round) {
        for (int& value : values) value = static_cast<int>(next_random(seed));
        std::qsort(values.data(), size, sizeof(int), compare_ints);
        sum += static_cast<std::uint64_t>(values[size / 3]);
    }
    return {size * repeat, sum};
}

Work copy() {
    constexpr std::size_t size = 1 << 20;
    constexpr std::uint64_t count = 6000;
    std::vector<char> from(size, 'a'), to(size);
    for (std::uint64_t i = 0; i < count; ++i) {
        from[i] = static_cast<char>(i);
        std::memcpy(to.data(), from.data(), size);
        asm volatile("" ::"r"(to.data()) : "memory");
    }
    return {count, static_cast<std::uint64_t>(to[77])};
}

Work strings() {
    // Split text into words, fold case, count them by hash: what a text tool or an interpreter does all day.
    static constexpr std::string_view text =
        "The quick brown Fox jumps over the lazy dog; pack my Box with five dozen liquor jugs, how vexingly "
        "quick daft "
        "zebras Jump! 1998 was the year, and 64 bits were few. ";
    constexpr std::uint64_t count = 400'000;
    std::array<std::uint32_t, 1024> table{};
    char number[24];
    for (std::uint64_t i = 0; i < count; ++i) {
        std::string word;
        const int digits = std::snprintf(number, sizeof number, "%llu", static_cast<unsigned long long>(i));
        std::string line{text};
        line.append(number, static_cast<std::size_t>(digits));
        line += '.';
        for (const char c : line) {
            const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            if (letter) {
                word += static_cast<char>(c | 0x20);
            } else if (!word.empty()) {
                std::uint32_t hash = 2166136261;
                for (const char w : word) hash = (hash ^ static_cast<unsigned char>(w)) * 16777619;
                ++table[hash % table.size()];
                word.clear();
            }
        }
    }
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < table.size(); ++i) sum = sum * 31 + table[i];
    return {count, sum};
}

// ---- the system ----

Work getppid_calls() {
    constexpr std::uint64_t count = 3'000'000;
    for (std::uint64_t i = 0; i < count; ++i) syscall(SYS_getppid);
    return {count, 0};
}

pid_t fork_or_die() {
    const pid_t child = fork();
    if (child < 0) die("fork");
    return child;
}

void wait_for(pid_t child) {
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) die("child");
}

std::array<int, 2> pipe_or_die() {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) die("pipe");
    return ends;
}

/// A byte passed round a ring of processes: every step is a write, a context switch and a read.
Work token_ring(int processes, std::uint64_t rounds) {
    std::vector<std::array<int, 2>> pipes;
    for (int i = 0; i < processes; ++i) pipes.push_back(pipe_or_die());
    const auto pass_on = [&](int self) {
        char token = 0;
        if (read(pipes[static_cast<std::size_t>(self)][0], &token, 1) != 1) die("read");
        if (write(pipes[static_cast<std::size_t>((self + 1) % processes)][1], &token, 1) != 1) die("write");
    };
    std::vector<pid_t> children;
    for (int i = 1; i < processes; ++i) {
        children.push_back(fork_or_die());
        if (children.back() == 0) {
            for (std::uint64_t round = 0; round < rounds; ++round) pass_on(i);
            _exit(0);
        }
    }
    if (write(pipes[0][1], "t", 1) != 1) die("write");
    for (std::uint64_t round = 0; round < rounds; ++round) pass_on(0);
    for (const pid_t child : children) wait_for(child);
    for (const auto& ends : pipes) {
        close(ends[0]);
        close(ends[1]);
    }
    return {rounds * static_cast<std::uint64_t>(processes), 0};
}

Work pipe_ping_pong() { return token_ring(2, 150'000); }
Work context_switch() { return token_ring(4, 60'000); }

Work fork_wait() {
    constexpr std::uint64_t count = 5000;
    for (std::uint64_t i = 0; i < count; ++i) {
        const pid_t child = fork_or_die();
        if (child == 0) _exit(0);
        wait_for(child);
    }
    return {count, 0};
}

Work fork_exec() {
    constexpr std::uint64_t count = 1000;
    for (std::uint64_t i = 0; i < count; ++i) {
        const pid_t child = fork_or_die();
        if (child == 0) {
            execl("/proc/self/exe", "guest_benchmark", "--exit", nullptr);
            _exit(1);
        }
        wait_for(child);
    }
    return {count, 0};
}

Work page_touch() {
    constexpr std::size_t pages = 8192, repeat = 30;
    for (std::size_t round = 0; round < repeat; ++round) {
        void* area = mmap(nullptr, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (area == MAP_FAILED) die("mmap");
        madvise(area, pages * 4096, MADV_NOHUGEPAGE);
        for (std::size_t page = 0; page < pages; ++page) static_cast<volatile char*>(area)[page * 4096] = 1;
        munmap(area, pages * 4096);
    }
    return {pages * repeat, 0};
}

Work file_write_read() {
    constexpr std::size_t block = 4096, blocks = 4096, repeat = 60;
    std::vector<char> buffer(block, 'x');
    const char* name = "/dev/shm/guest_benchmark.tmp";
    const int file = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) die(name);
    unlink(name);
    std::uint64_t sum = 0;
    for (std::size_t round = 0; round < repeat; ++round) {
        for (std::size_t i = 0; i < blocks; ++i) {
            buffer[0] = static_cast<char>(i + round);
            if (pwrite(file, buffer.data(), block, static_cast<off_t>(i * block)) != block) die("pwrite");
        }
        for (std::size_t i = 0; i < blocks; ++i) {
            if (pread(file, buffer.data(), block, static_cast<off_t>(i * block)) != block) die("pread");
            sum += static_cast<unsigned char>(buffer[0]);
        }
    }
    close(file);
    return {2 * blocks * repeat, sum};
}

constexpr Row rows[] = {
    {"integer", integer},
    {"scalar-float", scalar_float},
    {"matmul", matmul},
    {"pointer-chase", pointer_chase},
    {"sort", sort},
    {"memcpy", copy},
    {"strings", strings},
    {"getppid", getppid_calls},
    {"pipe-ping-pong", pipe_ping_pong},
    {"fork", fork_wait},
    {"fork-exec", fork_exec},
    {"page-touch", page_touch},
    {"file-write-read", file_write_read},
    {"context-switch", context_switch},
};

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view{argv[1]} == "--exit") return 0;
    // One processor, as the guest has: a wake-up on another core is a different benchmark.
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(std::max(0, sched_getcpu()), &one);
    sched_setaffinity(0, sizeof one, &one);

    for (int i = 1; i < argc; ++i)
        if (std::none_of(std::begin(rows), std::end(rows),
                         [&](const Row& row) { return std::string_view{argv[i]} == row.name; })) {
            std::fprintf(stderr, "guest_benchmark: no row '%s'\n", argv[i]);
            return 2;
        }
    for (const Row& row : rows) {
        const bool wanted = argc == 1 || std::any_of(argv + 1, argv + argc, [&](const char* name) {
                                return std::string_view{name} == row.name;
                            });
        if (!wanted) continue;
        const auto start = std::chrono::steady_clock::now();
        const Work work = row.run();
        const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
        std::printf("%s %.3f %llu\n", row.name, took.count() / static_cast<double>(work.operations),
                    static_cast<unsigned long long>(work.checksum));
        std::fflush(stdout);
    }
    return 0;
}
