// A private network of one guest behind the host's address: libslirp, with what it needs from its
// surroundings.
//
// It translates the guest's connections into sockets of this process, and answers DHCP, ARP, ping of its own
// addresses and neighbour discovery itself. Nothing of it needs a privilege. The guest sees 10.0.2.0/24: the
// host is .2, the guest .15; and fd00::/64, where the host is ::2.
#pragma once

#include "base/result.hpp"
#include "host/poll_set.hpp"
#include "network/port_forward.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace softmetal::network {

class Nat {
 public:
    struct Config {
        /// An address the guest can ask for names, dotted; empty where there is none.
        std::string name_server;
        std::vector<PortForward> forwards;
        /// What DHCP's answer names as the file to boot; empty: none.
        std::string boot_file = {};
        static constexpr std::size_t longest_boot_file = 127;  // RFC 2131, ch. 2
    };
    /// A frame for the guest.
    using Output = std::function<void(std::span<const std::byte>)>;

    /// Listens at the forwarded ports; the error names the one that cannot be had.
    [[nodiscard]] static Result<std::unique_ptr<Nat>> create(const Config& config, Output output);
    ~Nat();
    Nat(const Nat&) = delete;
    Nat& operator=(const Nat&) = delete;

    /// A frame from the guest.
    void input(std::span<const std::byte> frame);
    /// Adds what is to be waited for; the result is for how many milliseconds at the most.
    [[nodiscard]] u32 prepare(host::PollSet& set);
    /// After the wait. `ready` is what PollSet::wait() said.
    void dispatch(const host::PollSet& set, bool ready);

 private:
    struct Parts;
    explicit Nat(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace softmetal::network
