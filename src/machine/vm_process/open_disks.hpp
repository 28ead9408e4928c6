// The machine's disks over the descriptors that came with the start request.
#pragma once

#include "bus/backends/block_store.hpp"
#include "disk/host_store.hpp"
#include "host/unique_fd.hpp"
#include "machine/vm_process/protocol.hpp"

#include <memory>
#include <span>
#include <vector>

namespace softmetal::machine {

class OpenDisks {
 public:
    /// Takes `descriptors`, one for each of `disks`.
    [[nodiscard]] static Result<std::unique_ptr<OpenDisks>> create(
        const std::vector<StartRequest::Disk>& disks, std::span<host::UniqueFd> descriptors);

    /// Those that the machine has there, in their order.
    [[nodiscard]] std::vector<bus::BlockStore*> attached_to(StartRequest::Disk::Attachment attachment) const;
    /// Returns once all that was written is on the host's disk. The sentences tell what the host has refused,
    /// now or while the machine ran.
    [[nodiscard]] std::vector<std::string> flush();

 private:
    std::vector<std::string> names_;
    std::vector<StartRequest::Disk::Attachment> attachments_;
    std::vector<std::unique_ptr<disk::HostStore>> stores_;
};

}  // namespace softmetal::machine
