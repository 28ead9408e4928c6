// A socket that others connect to: TCP, or in the file system.
#pragma once

#include "base/result.hpp"
#include "host/unique_fd.hpp"

#include <memory>
#include <string>

namespace softmetal::host {

/// From a socket that listens. Invalid where nobody waits to be connected.
[[nodiscard]] UniqueFd accept_connection(int listener);

/// To whoever listens on a socket file.
[[nodiscard]] Result<UniqueFd> connect_socket_file(const std::string& path);

class ListeningSocket {
 public:
    /// "PORT", "HOST:PORT", "[IPV6]:PORT" or "unix:PATH". Without a host only this computer can connect. Port
    /// 0 is any that is free. A socket file that nobody listens on any more is replaced.
    [[nodiscard]] static Result<std::unique_ptr<ListeningSocket>> open(const std::string& address);
    /// Removes the socket file.
    ~ListeningSocket();
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;

    [[nodiscard]] int fd() const { return fd_.get(); }
    /// Where it listens, as gdb and others take it: HOST:PORT, the port said, or the file.
    [[nodiscard]] const std::string& address() const { return address_; }
    /// Invalid where nobody waits to be connected.
    [[nodiscard]] UniqueFd accept() const { return accept_connection(fd_.get()); }

 private:
    ListeningSocket(UniqueFd fd, std::string address, std::string path)
        : fd_(std::move(fd)), address_(std::move(address)), path_(std::move(path)) {}
    static Result<std::unique_ptr<ListeningSocket>> open_file(const std::string& path);

    UniqueFd fd_;
    std::string address_;
    std::string path_;  // of the socket file, where it is one
};

}  // namespace softmetal::host
