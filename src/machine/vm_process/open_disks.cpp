#include "machine/vm_process/open_disks.hpp"

#include "disk/nbd_store.hpp"
#include "disk/raw_file.hpp"

#include <fmt/format.h>
#include <future>

namespace softmetal::machine {

namespace {

Result<std::unique_ptr<disk::HostStore>> open(const StartRequest::Disk& disk, host::UniqueFd descriptor) {
    if (disk.nbd_export) return disk::NbdStore::open(std::move(descriptor), *disk.nbd_export, disk.read_only);
    return disk::RawFile::open(std::move(descriptor), disk.read_only);
}

}  // namespace

Result<std::unique_ptr<OpenDisks>> OpenDisks::create(const std::vector<StartRequest::Disk>& disks,
                                                     std::span<host::UniqueFd> descriptors) {
    auto result = std::make_unique<OpenDisks>();
    for (std::size_t i = 0; i < disks.size(); ++i) {
        auto store = open(disks[i], std::move(descriptors[i]));
        if (!store) return fail(fmt::format("disk '{}': {}", disks[i].name, store.error().message));
        result->stores_.push_back(std::move(*store));
        result->names_.push_back(disks[i].name);
        result->attachments_.push_back(disks[i].attachment);
    }
    return result;
}

std::vector<bus::BlockStore*> OpenDisks::attached_to(StartRequest::Disk::Attachment attachment) const {
    std::vector<bus::BlockStore*> stores;
    for (std::size_t i = 0; i < stores_.size(); ++i)
        if (attachments_[i] == attachment) stores.push_back(stores_[i].get());
    return stores;
}

std::vector<std::string> OpenDisks::flush() {
    std::vector<std::promise<bus::BlockStatus>> flushed(stores_.size());
    for (std::size_t i = 0; i < stores_.size(); ++i)
        stores_[i]->flush([&promise = flushed[i]](bus::BlockStatus status) { promise.set_value(status); });
    std::vector<std::string> failures;
    for (std::size_t i = 0; i < stores_.size(); ++i) {
        const bool lost = flushed[i].get_future().get() != bus::BlockStatus::ok;
        if (const std::string failure = stores_[i]->first_failure(); !failure.empty())
            failures.push_back(fmt::format("disk '{}': the host {}{}", names_[i], failure,
                                           lost ? "; not all data is on the disk" : ""));
    }
    return failures;
}

}  // namespace softmetal::machine
