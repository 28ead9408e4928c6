// What a debugger sends may be anything. The machine has two processors without threads: told to run, they
// stand.
#include "gdb_stub/session.hpp"
#include "input.hpp"

using namespace softmetal;

namespace {

class StoppedClock final : public bus::Clock {
    [[nodiscard]] bus::Nanoseconds now() const override { return 0; }
};

struct Machine {
    std::unique_ptr<GuestMemory> memory = *GuestMemory::create(1 << 20);
    bus::AddressSpace ports, mmio;
    StoppedClock clock;
    CpuModel model = CpuModel::host(2, 1'000'000'000);
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Machine machine;
    Vcpu first(0, machine.model, {*machine.memory, machine.ports, machine.mmio, machine.clock});
    Vcpu second(1, machine.model, {*machine.memory, machine.ports, machine.mmio, machine.clock});
    monitor::StopGate gate;
    monitor::DebugControl control(gate, nullptr);
    for (Vcpu* vcpu : {&first, &second}) {
        gate.add(*vcpu);
        control.add(*vcpu);
    }
    gdb_stub::Session session(control, {[] {}, [] {}, [] {}}, [] {});
    fuzz::Input input(data, size);
    // Packets without checksums, so that the fuzzer need not compute any; and now and then bytes as they are.
    while (!input.empty() && !session.finished()) {
        const u8 kind = input.take<u8>();
        const auto bytes = input.take_bytes(input.take<u8>());
        const std::string framed =
            kind & 0x80 ? std::string(fuzz::as_text(bytes)) : gdb_stub::frame_packet(fuzz::as_text(bytes));
        session.receive({reinterpret_cast<const u8*>(framed.data()), framed.size()});
        if (kind & 0x40) {
            first.stop_for_debugger({DebuggerStop::Reason::breakpoint, {}});
            session.machine_stopped();
        }
        (void)session.take_output();
    }
    session.machine_ended(false);
    return 0;
}
