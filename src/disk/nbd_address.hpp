// Where an image is that an NBD server has: nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH
// (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/uri.md).
#pragma once

#include "base/result.hpp"

#include <string>
#include <string_view>

namespace softmetal::disk {

struct NbdAddress {
    std::string socket_path;  // empty: TCP
    std::string host, port;
    std::string export_name;  // empty: the server's default
    bool operator==(const NbdAddress&) const = default;
};

/// Rather than the name of a file?
[[nodiscard]] bool is_nbd_address(std::string_view text);
/// The error says what is wrong with it.
[[nodiscard]] Result<NbdAddress> parse_nbd_address(std::string_view text);

}  // namespace softmetal::disk
