#include "cpu/kvm_clock.hpp"

#include <atomic>
#include <span>

namespace softmetal {

namespace {

// As they lie in the guest's memory. An odd version says that the rest is being changed.
struct SystemTime {
    u32 version = 0;
    u32 reserved0 = 0;
    u64 tsc = 0;   // at this moment,
    u64 time = 0;  // the nanoseconds were these
    u32 multiplier = 0;
    i8 shift = 0;
    u8 flags = 0;
    std::array<u8, 2> reserved1{};
};
static_assert(sizeof(SystemTime) == 32);

struct WallClock {
    u32 version = 0;
    u32 seconds = 0;  // since 1970, when `time` above was 0
    u32 nanoseconds = 0;
};
static_assert(sizeof(WallClock) == 12);

constexpr u64 system_time_enabled = bit(0);
constexpr u8 same_on_all_processors = 1u << 0;

/// Other processors may read the answer meanwhile.
template <class Answer>
void publish(GuestMemory& memory, GuestPhysical where, Answer answer) {
    Answer before;
    if (!memory.read(where, std::as_writable_bytes(std::span(&before, 1)))) return;
    answer.version = before.version + (before.version & 1 ? 2 : 1);
    const auto write = [&](const auto& what) {
        const bool written = memory.write(where, std::as_bytes(std::span(&what, 1)));
        std::atomic_thread_fence(std::memory_order_release);
        return written;
    };
    if (!write(answer.version) || !write(answer)) return;
    static_cast<void>(write(answer.version + 1));
}

}  // namespace

TickScale tick_scale(u64 hz) {
    // nanoseconds / ticks, brought between a half and one,
    u64 nanoseconds = bus::nanoseconds_per_second, ticks = hz;
    i8 shift = 0;
    for (; nanoseconds >= ticks; ticks <<= 1) shift++;
    for (; nanoseconds < ticks - nanoseconds; nanoseconds <<= 1) shift--;
    // and divided, bit by bit, so that nothing can overflow.
    u32 multiplier = 0;
    for (int n = 0; n < 32; n++) {
        const bool one = nanoseconds >= ticks - nanoseconds;
        multiplier = multiplier << 1 | (one ? 1 : 0);
        nanoseconds = one ? nanoseconds - (ticks - nanoseconds) : nanoseconds << 1;
    }
    return {multiplier, shift};
}

void publish_kvm_system_time(Vcpu& vcpu) {
    const u64 asked = vcpu.state.kvm_system_time;
    if (!(asked & system_time_enabled)) return;
    const bus::Nanoseconds now = vcpu.clock.now();
    const u64 hz = vcpu.model.tsc_hz();
    const TickScale scale = tick_scale(hz);
    publish(vcpu.memory, GuestPhysical{asked & ~system_time_enabled},
            SystemTime{.tsc = ticks_at(now, hz) + vcpu.state.tsc_adjust,
                       .time = now,
                       .multiplier = scale.multiplier,
                       .shift = scale.shift,
                       .flags = same_on_all_processors});
}

void publish_kvm_wall_clock(Vcpu& vcpu) {
    const u64 where = vcpu.state.kvm_wall_clock;
    if (where == 0) return;  // nobody's clock lies there
    publish(vcpu.memory, GuestPhysical{where},
            WallClock{.seconds = static_cast<u32>(vcpu.wall_clock / bus::nanoseconds_per_second),
                      .nanoseconds = static_cast<u32>(vcpu.wall_clock % bus::nanoseconds_per_second)});
}

}  // namespace softmetal
