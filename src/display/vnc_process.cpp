#include "display/vnc_process.hpp"

#include "base/json_message.hpp"
#include "display/vnc_server.hpp"
#include "host/jail.hpp"
#include "host/process_exit.hpp"

#include <array>
#include <rfb/rfb.h>

namespace softmetal::display {
namespace {

constexpr int parent_is_gone = 1, cannot_serve = 2;

/// The library's cipher looks for its settings in files when it is used first.
void wake_cipher() {
    std::array<unsigned char, CHALLENGESIZE> challenge{};
    std::array<char, longest_vnc_password + 1> password{"softmeta"};
    rfbEncryptBytes(challenge.data(), password.data());
}

class VncProcess {
 public:
    explicit VncProcess(host::ControlSocket& control) : control_(control) {}

    int run() {
        auto first = control_.receive();
        if (!first || !*first) return parent_is_gone;
        const auto request = decode_vnc_request((*first)->bytes);
        const KeyboardLayout* layout = request ? KeyboardLayout::named(request->keyboard) : nullptr;
        if (!layout || (*first)->descriptors.size() != 1) return cannot_serve;
        wake_cipher();
        auto loop = host::EventLoop::create();
        if (!loop) return cannot_serve;
        if (auto jailed = host::enter_jail(host::Jail::viewers); !jailed) return cannot_serve;
        auto server =
            VncServer::create(**loop, std::move((*first)->descriptors.front()), *layout, request->password);
        if (!server) return cannot_serve;
        auto watch = (*loop)->watch(control_.fd(), {.read = true}, [&](host::Readiness) { obey(**server); });
        if (!watch) return cannot_serve;
        (*loop)->run();
        return 0;
    }

 private:
    void obey(VncServer& server) {
        auto received = control_.receive();
        if (!received || !*received) host::exit_now(0);
        auto& descriptors = (*received)->descriptors;
        if (descriptors.size() != 2) return;
        auto surface = host::SharedMemory::map(std::move(descriptors[1]), surface_bytes);
        if (!surface) return;
        // Where this one cannot be shown the next may.
        [[maybe_unused]] const auto shown =
            server.show(ScreenViewer(std::move(descriptors[0]), std::move(*surface)));
    }

    host::ControlSocket& control_;
};

}  // namespace

std::vector<u8> encode(const VncRequest& request) {
    return nlohmann::json::to_cbor({{"keyboard", request.keyboard}, {"password", request.password}});
}

std::optional<VncRequest> decode_vnc_request(std::span<const u8> bytes) {
    return json_message::checked_read<VncRequest>([&]() -> std::optional<VncRequest> {
        const auto message = json_message::parse_cbor(bytes);
        return VncRequest{message.at("keyboard").get<std::string>(),
                          message.at("password").get<std::string>()};
    });
}

int run_vnc_process(host::ControlSocket control) { return VncProcess(control).run(); }

}  // namespace softmetal::display
