// The program that bench/io runs in a guest: how fast a disk and the network are, for a fixed time a row.
// Prints "name amount unit" a row. Disks are read and written past the guest's page cache.
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double seconds_a_row = 3;

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

double seconds_since(Clock::time_point begun) {
    return std::chrono::duration<double>(Clock::now() - begun).count();
}

std::uint64_t next_random(std::uint64_t& state) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

// ---- disk ----

struct DiskRow {
    const char* name;
    bool write, random;
    std::size_t bytes;
    unsigned depth;  // requests in flight
};

constexpr DiskRow disk_rows[] = {
    {"sequential-read", false, false, 1 << 20, 4},  {"sequential-write", true, false, 1 << 20, 4},
    {"random-read-4k", false, true, 4096, 1},       {"random-write-4k", true, true, 4096, 1},
    {"random-read-4k-deep", false, true, 4096, 32}, {"random-write-4k-deep", true, true, 4096, 32},
};

class Disk {
 public:
    explicit Disk(const char* path) : fd_(open(path, O_RDWR | O_DIRECT)) {
        if (fd_ < 0 || ioctl(fd_, BLKGETSIZE64, &size_) != 0) die(path);
    }

    void run(const DiskRow& row) {
        aio_context_t context = 0;
        if (syscall(SYS_io_setup, row.depth, &context) != 0) die("io_setup");
        void* memory = nullptr;
        if (posix_memalign(&memory, 4096, row.bytes * row.depth) != 0) die("posix_memalign");
        std::memset(memory, 0x5a, row.bytes * row.depth);
        std::vector<iocb> requests(row.depth);
        std::uint64_t place = 0, done = 0, random = 88172645463325252;
        const auto submit = [&](unsigned slot) {
            const std::uint64_t places = size_ / row.bytes;
            iocb& request = requests[slot];
            request = {};
            request.aio_data = slot;
            request.aio_lio_opcode = row.write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
            request.aio_fildes = static_cast<std::uint32_t>(fd_);
            request.aio_buf = reinterpret_cast<std::uint64_t>(memory) + slot * row.bytes;
            request.aio_nbytes = row.bytes;
            request.aio_offset =
                static_cast<std::int64_t>((row.random ? next_random(random) : place++) % places * row.bytes);
            iocb* list[] = {&request};
            if (syscall(SYS_io_submit, context, 1, list) != 1) die("io_submit");
        };
        const auto begun = Clock::now();
        for (unsigned slot = 0; slot < row.depth; ++slot) submit(slot);
        for (unsigned in_flight = row.depth; in_flight != 0;) {
            std::vector<io_event> events(row.depth);
            const long count = syscall(SYS_io_getevents, context, 1, row.depth, events.data(), nullptr);
            if (count < 0) die("io_getevents");
            for (long i = 0; i < count; ++i) {
                if (events[static_cast<std::size_t>(i)].res != static_cast<std::int64_t>(row.bytes)) {
                    errno = EIO;
                    die(row.name);
                }
                ++done;
                if (seconds_since(begun) < seconds_a_row)
                    submit(static_cast<unsigned>(events[static_cast<std::size_t>(i)].data));
                else
                    --in_flight;
            }
        }
        const double seconds = seconds_since(begun);
        if (row.random)
            std::printf("%s %.0f IO/s\n", row.name, static_cast<double>(done) / seconds);
        else
            std::printf("%s %.1f MB/s\n", row.name, static_cast<double>(done * row.bytes) / seconds / 1e6);
        std::fflush(stdout);
        syscall(SYS_io_destroy, context);
        std::free(memory);
        if (row.write && fsync(fd_) != 0) die("fsync");
    }

 private:
    int fd_;
    std::uint64_t size_ = 0;
};

// ---- network ----

int connect_to(const char* address, int port) {
    const int s = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(static_cast<std::uint16_t>(port));
    inet_pton(AF_INET, address, &where.sin_addr);
    if (s < 0 || connect(s, reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) die("connect");
    return s;
}

/// The peer sends for as long as we read, or answers with what it has read once we have finished.
void run_network(const char* name, const char* address, int port, bool upload) {
    const int s = connect_to(address, port);
    std::vector<char> buffer(128 << 10, 'x');
    std::uint64_t total = 0;
    const auto begun = Clock::now();
    while (seconds_since(begun) < seconds_a_row) {
        const ssize_t moved =
            upload ? write(s, buffer.data(), buffer.size()) : read(s, buffer.data(), buffer.size());
        if (moved <= 0) die(name);
        total += static_cast<std::uint64_t>(moved);
    }
    if (upload) {
        shutdown(s, SHUT_WR);
        std::uint64_t arrived = 0;
        if (read(s, &arrived, sizeof arrived) != sizeof arrived || arrived != total) {
            errno = EIO;
            die(name);
        }
    }
    std::printf("%s %.1f MB/s\n", name, static_cast<double>(total) / seconds_since(begun) / 1e6);
    std::fflush(stdout);
    close(s);
}

/// A byte there and back again, one after another.
void run_round_trips(const char* name, const char* address, int port) {
    const int s = connect_to(address, port);
    char byte = 'x';
    std::uint64_t trips = 0;
    const auto begun = Clock::now();
    for (; seconds_since(begun) < seconds_a_row; ++trips)
        if (write(s, &byte, 1) != 1 || read(s, &byte, 1) != 1) die(name);
    std::printf("%s %.0f trips/s\n", name, static_cast<double>(trips) / seconds_since(begun));
    std::fflush(stdout);
    close(s);
}

}  // namespace

/// SECONDS disk DEVICE [ROW] | SECONDS network ADDRESS SOURCE-PORT SINK-PORT ECHO-PORT
int main(int count, char** words) {
    if (count < 4) return 2;
    seconds_a_row = std::atof(words[1]);
    if (std::string_view(words[2]) == "disk") {
        Disk disk(words[3]);
        for (const DiskRow& row : disk_rows)
            if (count < 5 || std::string_view(words[4]) == row.name) disk.run(row);
        return 0;
    }
    if (count < 7) return 2;
    run_network("download", words[3], std::atoi(words[4]), false);
    run_network("upload", words[3], std::atoi(words[5]), true);
    run_round_trips("round-trip", words[3], std::atoi(words[6]));
    return 0;
}
