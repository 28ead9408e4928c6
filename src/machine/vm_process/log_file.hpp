// Bytes from the guest, appended to a file line by line. A host that refuses them is no concern of the
// guest's.
#pragma once

#include "bus/backends/byte_stream.hpp"
#include "host/unique_fd.hpp"

#include <mutex>
#include <vector>

namespace softmetal::machine {

class LogFile final : public bus::ByteStream {
 public:
    explicit LogFile(host::UniqueFd file);
    ~LogFile() override;
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;

    void write(std::span<const u8> bytes) override;
    [[nodiscard]] std::size_t read(std::span<u8>) override { return 0; }
    void on_readable(std::function<void()>) override {}
    void flush();

 private:
    void write_out();  // mutex held

    host::UniqueFd file_;
    std::mutex mutex_;
    std::vector<u8> line_;
};

}  // namespace softmetal::machine
