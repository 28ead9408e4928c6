// 16550A: what drivers rely on, through its ports.
#include "devices/uart16550/uart16550.hpp"

#include "fakes.hpp"

#include <gtest/gtest.h>
#include <thread>

namespace softmetal::devices {
namespace {

using namespace testing;
using namespace uart;
using ::testing::Test;

struct Uart : Test {
    FakeClock clock;
    FakeTimerFactory timers{clock};
    FakeLine irq;
    FakeStream stream, second_stream;
    std::unique_ptr<Uart16550> uart =
        std::make_unique<Uart16550>(Uart16550::Resources{stream, irq, clock, timers});

    u8 read(u64 offset) { return in(*uart, offset); }
    void write(u64 offset, u8 value) { out(*uart, offset, value); }
    u8 cause() { return read(interrupt_identification) & 0x0f; }
    /// As a driver leaves it: 115200 8n1, FIFOs with a trigger of 8, interrupt line connected.
    void start(u8 enables) {
        write(line_control, 0x83);
        write(divisor_low, 1);
        write(divisor_high, 0);
        write(line_control, 0x03);
        write(fifo_control, 0x87);
        write(modem_control, modem::data_terminal_ready | modem::request_to_send | modem::out2);
        write(uart::interrupt_enable, enables);
    }
    static constexpr u64 character_ns = 10 * bus::nanoseconds_per_second / base_rate;
};

TEST_F(Uart, PolledOutputReachesTheStream) {
    for (const char c : std::string("hello")) {
        ASSERT_TRUE(read(line_status) & status::holding_empty);
        write(transmit_holding, static_cast<u8>(c));
    }
    EXPECT_EQ(stream.written(), "hello");
    EXPECT_TRUE(read(line_status) & status::transmitter_empty);
    EXPECT_FALSE(irq.high());
}

TEST_F(Uart, IsDetectedAsA16550A) {
    write(scratch, 0x5a);
    EXPECT_EQ(read(scratch), 0x5a);
    EXPECT_EQ(read(interrupt_identification), identification::none);
    write(fifo_control, 1);
    EXPECT_EQ(read(interrupt_identification) >> 6, 3);
    write(fifo_control, 0x21);  // a 16750 would show bit 5
    EXPECT_EQ(read(interrupt_identification) >> 5, 6);
    write(uart::interrupt_enable, 0xff);
    EXPECT_EQ(read(uart::interrupt_enable), 0x0f);
}

TEST_F(Uart, DivisorLatchHidesDataAndEnables) {
    write(uart::interrupt_enable, 0x05);
    write(line_control, line::divisor_access);
    write(divisor_low, 0x34);
    write(divisor_high, 0x12);
    EXPECT_EQ(read(divisor_low), 0x34);
    EXPECT_EQ(read(divisor_high), 0x12);
    write(line_control, 0x03);
    EXPECT_EQ(read(uart::interrupt_enable), 0x05);
    EXPECT_EQ(stream.written(), "");
}

TEST_F(Uart, LoopbackConnectsModemLinesCrosswise) {
    EXPECT_EQ(read(modem_status), 0xb0);  // carrier, DSR, CTS: the far side is there
    write(modem_control, modem::loopback | modem::out2 | modem::request_to_send);
    EXPECT_EQ(read(modem_status) & 0xf0, 0x90);
    write(modem_control, modem::loopback | modem::out1);
    EXPECT_EQ(read(modem_status) & 0xf0, modem_status_bit::ring);
    write(modem_control, modem::loopback);
    EXPECT_EQ(read(modem_status), modem_status_bit::trailing_edge_ring);
    EXPECT_EQ(read(modem_status), 0);
}

TEST_F(Uart, LoopbackReturnsDataAndSendsNothing) {
    write(fifo_control, 1);
    write(modem_control, modem::loopback);
    write(transmit_holding, 0xa5);
    EXPECT_TRUE(read(line_status) & status::data_ready);
    EXPECT_EQ(read(receive_buffer), 0xa5);
    EXPECT_FALSE(read(line_status) & status::data_ready);
    EXPECT_EQ(stream.written(), "");
}

TEST_F(Uart, LoopbackOverrunKeepsTheFifo) {
    write(fifo_control, 1);
    write(modem_control, modem::loopback);
    for (u8 i = 0; i <= fifo_size; ++i) write(transmit_holding, i);
    EXPECT_EQ(read(line_status) & 0x0f, status::data_ready | status::overrun);
    EXPECT_EQ(read(line_status) & 0x0f, status::data_ready);  // reading cleared it
    for (u8 i = 0; i < fifo_size; ++i) EXPECT_EQ(read(receive_buffer), i);
    EXPECT_FALSE(read(line_status) & status::data_ready);
}

TEST_F(Uart, WithoutFifoAnOverrunReplacesTheCharacter) {
    write(modem_control, modem::loopback);
    write(transmit_holding, 'a');
    write(transmit_holding, 'b');
    EXPECT_TRUE(read(line_status) & status::overrun);
    EXPECT_EQ(read(receive_buffer), 'b');
}

TEST_F(Uart, TransmitterEmptyInterruptDrivesSending) {
    start(enable::transmitter_empty);
    EXPECT_TRUE(irq.high());  // enabling it while the transmitter is empty raises it
    EXPECT_EQ(cause(), identification::transmitter_empty);
    EXPECT_FALSE(irq.high());  // being told acknowledges
    EXPECT_EQ(cause(), identification::none);
    write(transmit_holding, 'x');
    EXPECT_TRUE(irq.high());
    write(uart::interrupt_enable, 0);
    EXPECT_FALSE(irq.high());
    write(uart::interrupt_enable, enable::transmitter_empty);
    EXPECT_EQ(cause(), identification::transmitter_empty);
}

TEST_F(Uart, EveryCharacterSentMakesAnEdge) {
    start(enable::transmitter_empty);
    const unsigned before = irq.rises();
    for (int i = 0; i < 10; ++i) {
        ASSERT_EQ(cause(), identification::transmitter_empty);
        write(transmit_holding, 'x');
    }
    EXPECT_EQ(irq.rises(), before + 10);
}

TEST_F(Uart, SendingAcknowledgesEvenWithoutReadingTheCause) {
    start(enable::transmitter_empty);
    EXPECT_EQ(irq.rises(), 1u);
    write(transmit_holding, 'x');
    EXPECT_EQ(irq.rises(), 2u);
    write(fifo_control, 0x07);
    stream.feed("y");  // a second cause keeps the pin up
    write(uart::interrupt_enable, enable::transmitter_empty | enable::received_data);
    const unsigned rises = irq.rises();
    write(transmit_holding, 'x');
    EXPECT_EQ(irq.rises(), rises);
}

TEST_F(Uart, Out2GatesTheInterrupt) {
    start(enable::transmitter_empty);
    write(modem_control, modem::request_to_send);
    EXPECT_FALSE(irq.high());
    EXPECT_EQ(read(interrupt_identification) & 0x0f, identification::transmitter_empty);
    write(transmit_holding, 'x');
    EXPECT_FALSE(irq.high());
    write(modem_control, modem::out2);
    EXPECT_TRUE(irq.high());
}

TEST_F(Uart, ReceivedDataInterruptsAtTheTriggerLevel) {
    start(enable::received_data);
    stream.feed("1234567");
    EXPECT_FALSE(irq.high());
    stream.feed("8");
    EXPECT_TRUE(irq.high());
    EXPECT_EQ(cause(), identification::received_data);
    EXPECT_EQ(read(receive_buffer), '1');
    EXPECT_FALSE(irq.high());
}

TEST_F(Uart, FewCharactersInterruptAfterFourCharacterTimes) {
    start(enable::received_data);
    stream.feed("ab");
    timers.advance(4 * character_ns - 10);
    EXPECT_FALSE(irq.high());
    timers.advance(20);
    EXPECT_TRUE(irq.high());
    EXPECT_EQ(cause(), identification::character_timeout);
    stream.feed("c");
    EXPECT_TRUE(irq.high());  // a further one does not withdraw it
    EXPECT_EQ(read(receive_buffer), 'a');
    EXPECT_FALSE(irq.high());
    timers.advance(5 * character_ns);
    EXPECT_TRUE(irq.high());  // the rest times out again
    EXPECT_EQ(read(receive_buffer), 'b');
    EXPECT_EQ(read(receive_buffer), 'c');
    timers.advance(100 * character_ns);
    EXPECT_FALSE(irq.high());
    EXPECT_FALSE(timers.next_deadline());
}

TEST_F(Uart, InterruptsHavePriorities) {
    start(0);
    write(modem_control, modem::loopback);
    for (unsigned i = 0; i <= fifo_size; ++i) write(transmit_holding, 'x');  // overrun, data, empty, deltas
    write(uart::interrupt_enable, 0x0f);
    EXPECT_EQ(cause(), identification::line_status);
    (void)read(line_status);
    EXPECT_EQ(cause(), identification::received_data);
    write(fifo_control, fifo::enable | fifo::reset_receiver);
    EXPECT_EQ(cause(), identification::transmitter_empty);
    EXPECT_EQ(cause(), identification::modem_status);
    (void)read(modem_status);
    EXPECT_EQ(cause(), identification::none);
}

TEST_F(Uart, InputWaitsForTheGuestAndNoneIsLost) {
    std::string sent;
    for (int i = 0; i < 100; ++i) sent += static_cast<char>('0' + i % 75);
    stream.feed(sent);
    EXPECT_EQ(stream.unread(), 100u);  // RTS is not up yet
    start(enable::received_data);
    EXPECT_EQ(stream.unread(), 100u - fifo_size);
    std::string received;
    while (read(line_status) & status::data_ready) received += static_cast<char>(read(receive_buffer));
    EXPECT_EQ(received, sent);
    EXPECT_FALSE(read(line_status) & status::overrun);
}

TEST_F(Uart, ADriversStartDoesNotSwallowTypedAheadInput) {
    stream.feed("ls\n");
    (void)read(line_status);
    (void)read(receive_buffer);
    write(fifo_control, 0x07);
    start(enable::received_data);
    EXPECT_EQ(read(receive_buffer), 'l');
}

TEST_F(Uart, ResetQuietsItAndKeepsTheDivisor) {
    start(0x0f);
    uart->reset();
    EXPECT_FALSE(irq.high());
    EXPECT_EQ(read(uart::interrupt_enable), 0);
    EXPECT_EQ(read(interrupt_identification), identification::none);
    write(line_control, line::divisor_access);
    EXPECT_EQ(read(divisor_low), 1);
}

TEST_F(Uart, WideAccessesAreSplitAndPastTheEndReadsOnes) {
    write(scratch, 0x77);
    write(line_control, 0x03);
    EXPECT_EQ(uart->read_io(scratch, 2), 0xff77u);
    uart->write_io(scratch, 4, 0xaabbccdd);
    EXPECT_EQ(read(scratch), 0xdd);
}

TEST_F(Uart, RestoresInTheMiddleOfReceiving) {
    start(enable::received_data | enable::transmitter_empty);
    (void)cause();
    stream.feed("abc");
    timers.advance(2 * character_ns);
    const bus::SavedState saved = uart->save();
    uart.reset();

    FakeLine line;
    auto restored = Uart16550::restore({second_stream, line, clock, timers}, saved);
    ASSERT_TRUE(restored) << restored.error().message;
    uart = std::move(*restored);
    EXPECT_EQ(uart->save().fields, saved.fields);
    EXPECT_FALSE(line.high());
    timers.advance(2 * character_ns + 10);  // the timeout goes on where it was
    EXPECT_TRUE(line.high());
    EXPECT_EQ(cause(), identification::character_timeout);
    EXPECT_EQ(read(receive_buffer), 'a');
    EXPECT_EQ(read(receive_buffer), 'b');
    EXPECT_EQ(read(receive_buffer), 'c');
    second_stream.feed("d");
    EXPECT_EQ(read(receive_buffer), 'd');
}

TEST_F(Uart, RestoreRaisesTheLineAgain) {
    start(enable::transmitter_empty);
    FakeLine line;
    auto restored = Uart16550::restore({stream, line, clock, timers}, uart->save());
    ASSERT_TRUE(restored);
    EXPECT_TRUE(line.high());
}

TEST_F(Uart, RefusesImpossibleStates) {
    const bus::SavedState good = uart->save();
    const auto refuses = [&](const char* field, nlohmann::json value) {
        bus::SavedState bad = good;
        bad.fields[field] = std::move(value);
        return !Uart16550::restore({stream, irq, clock, timers}, bad).has_value();
    };
    EXPECT_TRUE(refuses("received_count", 2));  // FIFOs are off
    EXPECT_TRUE(refuses("received_count", 17));
    EXPECT_TRUE(refuses("held_input_count", 17));
    EXPECT_TRUE(refuses("modem_control", 0xff));
    EXPECT_TRUE(refuses("timed_out", true));  // without a character
    EXPECT_TRUE(refuses("received", "text"));
    bus::SavedState other = good;
    other.schema = "pic8259";
    EXPECT_FALSE(Uart16550::restore({stream, irq, clock, timers}, other));
    other = good;
    other.version = 2;
    EXPECT_FALSE(Uart16550::restore({stream, irq, clock, timers}, other));
}

/// While it is read, another vCPU switches the FIFO off: the bytes find less room than there was.
struct ShrinkingStream : FakeStream {
    Uart16550* uart = nullptr;
    std::jthread other;
    std::size_t read(std::span<u8> into) override {
        const std::size_t count = FakeStream::read(into);
        if (count > 1 && uart) {
            other = std::jthread([u = uart] { u->write_io(fifo_control, 1, 0); });
            while (uart->read_io(interrupt_identification, 1) & identification::fifos_enabled)
                std::this_thread::yield();
            uart = nullptr;
        }
        return count;
    }
};

TEST(UartWiring, BytesThatFindNoRoomAreHeldAndSaved) {
    FakeClock clock;
    FakeTimerFactory timers(clock);
    FakeLine line;
    ShrinkingStream stream;
    auto uart = std::make_unique<Uart16550>(Uart16550::Resources{stream, line, clock, timers});
    out(*uart, fifo_control, fifo::enable);
    out(*uart, modem_control, modem::request_to_send);
    stream.uart = uart.get();
    stream.feed("abc");
    stream.other.join();
    EXPECT_EQ(in(*uart, receive_buffer), 'a');

    const bus::SavedState saved = uart->save();
    EXPECT_EQ(saved.fields["held_input_count"], 1);
    uart.reset();
    auto restored = Uart16550::restore({stream, line, clock, timers}, saved);
    ASSERT_TRUE(restored) << restored.error().message;
    EXPECT_EQ(in(**restored, receive_buffer), 'b');
    EXPECT_EQ(in(**restored, receive_buffer), 'c');
    EXPECT_FALSE(in(**restored, line_status) & status::data_ready);
}

TEST(UartChip, RoomFollowsFifoAndHandshake) {
    Uart16550Chip chip;
    EXPECT_EQ(chip.receive_room(), 0u);
    chip.write(modem_control, modem::request_to_send, 0);
    EXPECT_EQ(chip.receive_room(), 1u);
    chip.receive('a', 0);
    EXPECT_EQ(chip.receive_room(), 0u);
    chip.write(fifo_control, fifo::enable, 0);  // clears it
    EXPECT_EQ(chip.receive_room(), fifo_size);
    chip.receive('a', 0);
    EXPECT_EQ(chip.receive_room(), fifo_size - 1);
    chip.write(modem_control, modem::request_to_send | modem::loopback, 0);
    EXPECT_EQ(chip.receive_room(), 0u);
}

TEST(UartChip, TimeoutFollowsTheProgrammedSpeed) {
    Uart16550Chip chip;
    chip.write(line_control, line::divisor_access | 0x03 | line::parity | line::two_stop_bits, 0);
    chip.write(divisor_low, 96, 0);  // 1200 baud
    chip.write(line_control, 0x03 | line::parity | line::two_stop_bits, 0);
    chip.write(fifo_control, fifo::enable | 0xc0, 0);
    chip.write(uart::interrupt_enable, enable::received_data, 0);
    chip.receive('a', 1000);
    ASSERT_TRUE(chip.next_event());
    EXPECT_EQ(*chip.next_event(), 1000 + 4 * 12 * bus::nanoseconds_per_second / 1200);
}

}  // namespace
}  // namespace softmetal::devices
