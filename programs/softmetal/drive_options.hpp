// The images that a command line names, and as which drives the machine gets them.
#pragma once

#include "host/unique_fd.hpp"
#include "machine/vm_process/protocol.hpp"
#include "options.hpp"

namespace softmetal {

struct DriveOption {
    using Attachment = machine::StartRequest::Disk::Attachment;
    std::string path;
    bool read_only = false;
    Attachment attachment = Attachment::virtio;
};

/// IMAGE first, then disks, floppy disks and CD-ROMs in their order.
[[nodiscard]] Result<std::vector<DriveOption>> drives(const RunOptions& options);

/// An NBD server's: each life of the machine needs a connection of its own.
[[nodiscard]] bool is_on_server(const DriveOption& drive);

/// Opened as it is to be used, and kept from others; or connected.
[[nodiscard]] Result<host::UniqueFd> open_drive(const DriveOption& drive);

}  // namespace softmetal
