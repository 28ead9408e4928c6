// A file of captured frames, as tcpdump and Wireshark read them (pcap, with nanoseconds;
// https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-03.html).
#pragma once

#include "base/integers.hpp"
#include "host/unique_fd.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace softmetal::network {

class CaptureFile {
 public:
    /// `file` is empty, and written to from its beginning. `bytes_max`: longer frames are cut in it.
    CaptureFile(host::UniqueFd file, u32 bytes_max);
    /// Writes what waits.
    ~CaptureFile();
    CaptureFile(const CaptureFile&) = delete;
    CaptureFile& operator=(const CaptureFile&) = delete;

    /// `time` in nanoseconds since 1970, UTC. Frames that the file does not take are lost.
    void add(u64 time, std::span<const std::byte> frame);
    /// Now and then, so that others can read along.
    void flush();

 private:
    void put(u32 value);

    host::UniqueFd file_;
    const u32 bytes_max_;
    std::vector<std::byte> buffer_;
};

}  // namespace softmetal::network
