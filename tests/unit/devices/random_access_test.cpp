// A guest may do anything to the legacy devices: after long random work each one's state still restores to a
// device with the very same state, and time still moves.
#include "devices/acpi_pm/acpi_pm.hpp"
#include "devices/i8042/i8042.hpp"
#include "devices/pic8259/pic8259.hpp"
#include "devices/pit8254/pit8254.hpp"
#include "devices/rtc/rtc.hpp"
#include "devices/uart16550/uart16550.hpp"
#include "fakes.hpp"

#include <gtest/gtest.h>
#include <random>

namespace softmetal::devices {
namespace {

using namespace testing;

struct RandomAccess : ::testing::Test {
    std::mt19937_64 random{20'240'229};
    FakeClock clock;
    FakeTimerFactory timers{clock};
    FakeLine line, second_line, third_line;
    FakeStream stream;
    FakePlatform platform;

    u64 below(u64 limit) { return random() % limit; }

    /// `handlers` of the present device; `again` replaces it by its restored self and tells whether it is
    /// equal.
    template <class Handlers, class Again>
    void exercise(
        Handlers handlers, u64 ports, Again again, std::function<void()> meddle = [] {}) {
        for (int step = 0; step < 30'000; ++step) {
            const auto all = handlers();
            bus::IoHandler& handler = *all[below(all.size())];
            const unsigned width = below(8) ? 1 : 1u << below(4);
            const u64 offset = below(ports + 1);
            if (below(2))
                handler.write_io(offset, width, random());
            else
                (void)handler.read_io(offset, width);
            // Mostly short steps, now and then a long sleep of the host.
            if (below(200) == 0)
                clock.set(clock.now() + below(100 * bus::nanoseconds_per_second));
            else
                timers.advance(below(5'000));
            meddle();
            if (below(100) == 0) {
                ASSERT_TRUE(again()) << "at step " << step;
            }
        }
    }

    template <class D, class Resources>
    bool same_again(std::unique_ptr<D>& device, const Resources& resources) {
        bus::SavedState saved = device->save();
        // Restoring may do what came due since the last access; a device that is up to date stays the same.
        for (int round = 0; round < 2; ++round) {
            device.reset();
            auto restored = D::restore(resources, saved);
            if (!restored) {
                ADD_FAILURE() << restored.error().message;
                return false;
            }
            device = std::move(*restored);
            const bus::SavedState now = device->save();
            if (round == 1) return now.fields == saved.fields;
            saved = now;
        }
        return false;
    }
};

TEST_F(RandomAccess, Pic) {
    auto pic = std::make_unique<Pic8259>(Pic8259::Resources{line});
    exercise(
        [&] {
            return std::array<bus::IoHandler*, 3>{&pic->master_ports(), &pic->slave_ports(),
                                                  &pic->edge_level_ports()};
        },
        2, [&] { return same_again(pic, Pic8259::Resources{line}); },
        [&] {
            pic->input(static_cast<unsigned>(below(16))).set_level(below(2));
            if (line.high() && below(2)) (void)pic->acknowledge();
        });
}

TEST_F(RandomAccess, Pit) {
    const Pit8254::Resources resources{line, clock, timers};
    auto pit = std::make_unique<Pit8254>(resources);
    exercise(
        [&] {
            return std::array<bus::IoHandler*, 3>{&pit->ports(), &pit->ports(), &pit->system_control_b()};
        },
        4, [&] { return same_again(pit, resources); });
}

TEST_F(RandomAccess, Rtc) {
    const Rtc::Resources resources{line, clock, timers};
    auto rtc = std::make_unique<Rtc>(resources, 1'700'000'000 * bus::nanoseconds_per_second);
    exercise([&] { return std::array<bus::IoHandler*, 1>{rtc.get()}; }, 2,
             [&] { return same_again(rtc, resources); });
}

TEST_F(RandomAccess, Uart) {
    const Uart16550::Resources resources{stream, line, clock, timers};
    auto uart = std::make_unique<Uart16550>(resources);
    exercise([&] { return std::array<bus::IoHandler*, 1>{uart.get()}; }, 8,
             [&] { return same_again(uart, resources); },
             [&] {
                 if (below(4) == 0) stream.feed("random input");
             });
}

TEST_F(RandomAccess, KeyboardController) {
    const I8042::Resources resources{line, second_line, third_line, platform, clock, timers};
    auto kbc = std::make_unique<I8042>(resources);
    exercise(
        [&] {
            return std::array<bus::IoHandler*, 3>{&kbc->data_port(), &kbc->command_port(),
                                                  &kbc->system_control_a()};
        },
        1, [&] { return same_again(kbc, resources); },
        [&] {
            kbc->key(bus::Key{static_cast<u8>(below(256))}, below(2));
            kbc->pointer({.x = static_cast<u16>(below(640)),
                          .y = static_cast<u16>(below(480)),
                          .width = 640,
                          .height = 480,
                          .buttons = static_cast<u8>(below(32)),
                          .wheel = static_cast<i8>(below(256))});
        });
}

TEST_F(RandomAccess, AcpiPm) {
    const AcpiPm::Resources resources{line, platform, clock, timers};
    auto pm = std::make_unique<AcpiPm>(resources);
    exercise(
        [&] {
            return std::array<bus::IoHandler*, 3>{pm.get(), &pm->smi_command_port(),
                                                  &pm->reset_control_port()};
        },
        16, [&] { return same_again(pm, resources); }, [&] { pm->press_power_button(); });
}

}  // namespace
}  // namespace softmetal::devices
