#include "drive_options.hpp"

#include "disk/nbd_address.hpp"
#include "host/client_socket.hpp"
#include "host/file_io.hpp"
#include "host/input_file.hpp"
#include "host/listening_socket.hpp"
#include "machine/floppies.hpp"

#include <array>
#include <cstring>
#include <fmt/format.h>

namespace softmetal {
namespace {

using Attachment = DriveOption::Attachment;

/// FILE[,if=ide|virtio][,readonly]; commas that begin nothing of this belong to the name.
Result<DriveOption> parse_disk(std::string_view text) {
    DriveOption drive;
    const auto take = [&text](std::string_view suffix) {
        if (!text.ends_with(suffix)) return false;
        text.remove_suffix(suffix.size());
        return true;
    };
    for (bool again = true; again;) {
        again = true;
        if (take(",readonly"))
            drive.read_only = true;
        else if (take(",if=ide"))
            drive.attachment = Attachment::ide;
        else if (take(",if=virtio"))
            drive.attachment = Attachment::virtio;
        else
            again = false;
    }
    if (const auto at = text.rfind(",if="); at != text.npos)
        return fail(fmt::format("--disk: '{}' is neither if=ide nor if=virtio", text.substr(at + 1)));
    drive.path = text;
    return drive;
}

/// ISO 9660 (ECMA-119, ch. 6.7.1): sixteen blocks of 2048 bytes, then a volume descriptor.
bool is_iso_9660(int fd) {
    constexpr u64 first_descriptor = 16 * 2048;
    std::array<char, 6> begin{};
    return host::read_at(fd, first_descriptor, std::as_writable_bytes(std::span(begin))) &&
           std::memcmp(begin.data() + 1, "CD001", 5) == 0;
}

Result<DriveOption> recognise(const std::string& path) {
    if (disk::is_nbd_address(path)) return DriveOption{path, false, Attachment::ide};
    const auto file = host::open_input_file("image", path, host::FileAccess::read);
    if (!file) return std::unexpected(file.error());
    if (is_iso_9660(file->get())) return DriveOption{path, true, Attachment::cdrom};
    const auto info = host::file_info(file->get());
    const bool is_floppy = info && machine::is_floppy_size(info->size);
    return DriveOption{path, false, is_floppy ? Attachment::floppy : Attachment::ide};
}

}  // namespace

Result<std::vector<DriveOption>> drives(const RunOptions& options) {
    std::vector<DriveOption> all;
    for (const std::string& image : options.images) {
        auto drive = recognise(image);
        if (!drive) return std::unexpected(drive.error());
        all.push_back(std::move(*drive));
    }
    for (const std::string& disk : options.disks) {
        auto drive = parse_disk(disk);
        if (!drive) return std::unexpected(drive.error());
        all.push_back(std::move(*drive));
    }
    for (const std::string& floppy : options.floppies) {
        constexpr std::string_view readonly = ",readonly";
        const bool read_only = floppy.ends_with(readonly);
        const std::string path = floppy.substr(0, floppy.size() - (read_only ? readonly.size() : 0));
        all.push_back({path, read_only, Attachment::floppy});
    }
    for (const std::string& path : options.cdroms) all.push_back({path, true, Attachment::cdrom});
    return all;
}

bool is_on_server(const DriveOption& drive) { return disk::is_nbd_address(drive.path); }

Result<host::UniqueFd> connect_to_server(const std::string& text) {
    const auto address = disk::parse_nbd_address(text);
    if (!address) return std::unexpected(address.error());
    return address->socket_path.empty() ? host::connect_to_host(address->host, address->port)
                                        : host::connect_socket_file(address->socket_path);
}

Result<host::UniqueFd> open_drive(const DriveOption& drive) {
    if (is_on_server(drive)) {
        auto connected = connect_to_server(drive.path);
        if (!connected) return fail(fmt::format("disk '{}': {}", drive.path, connected.error().message));
        return connected;
    }
    const char* what = drive.attachment == Attachment::cdrom    ? "CD-ROM image"
                       : drive.attachment == Attachment::floppy ? "floppy disk"
                                                                : "disk";
    auto file = host::open_input_file(
        what, drive.path, drive.read_only ? host::FileAccess::read : host::FileAccess::read_write);
    if (!file) return file;
    if (auto locked = host::lock_file(file->get(), !drive.read_only, what, drive.path); !locked)
        return std::unexpected(locked.error());
    return file;
}

}  // namespace softmetal
