// Packets that read and write registers and memory.
#include "gdb_stub/guest_access.hpp"
#include "gdb_stub/hex.hpp"
#include "gdb_stub/session.hpp"
#include "gdb_stub/text.hpp"

#include <algorithm>

namespace softmetal::gdb_stub {
namespace {

constexpr unsigned bad_address = 14, bad_argument = 22;  // EFAULT, EINVAL: GDB shows the number only

}  // namespace

void Session::read_registers(Arguments) {
    std::string text;
    for (std::size_t n = 0; n < registers_.count(); n++) text += bytes_to_hex(registers_.read(vcpu(), n));
    answer(text);
}

/// What cannot take its value keeps its old one: GDB reads them again.
void Session::write_registers(Arguments rest) {
    const auto bytes = bytes_from_hex(rest);
    if (!bytes) return answer_error(bad_argument);
    std::size_t at = 0;
    for (std::size_t n = 0; n < registers_.count() && at + registers_.size(n) <= bytes->size(); n++) {
        [[maybe_unused]] const bool taken =
            registers_.write(vcpu(), n, std::span(*bytes).subspan(at, registers_.size(n)));
        at += registers_.size(n);
    }
    answer("OK");
}

void Session::read_register(Arguments rest) {
    const auto number = parse_hex(rest);
    if (!number || *number >= registers_.count()) return answer_error(bad_argument);
    answer(bytes_to_hex(registers_.read(vcpu(), *number)));
}

void Session::write_register(Arguments rest) {
    const auto number = parse_hex(cut_until(rest, '='));
    const auto value = bytes_from_hex(rest);
    if (!number || !value || *number >= registers_.count() || !registers_.write(vcpu(), *number, *value))
        return answer_error(bad_argument);
    answer("OK");
}

/// As much as is mapped from the address on.
void Session::read_memory(Arguments rest) {
    const auto address = parse_hex(cut_until(rest, ','));
    const auto length = parse_hex(rest);
    if (!address || !length) return answer_error(bad_argument);
    std::vector<std::byte> bytes(std::min<u64>(*length, maximum_payload / 2));
    bytes.resize(read_guest(vcpu(), {*address}, bytes));
    if (bytes.empty() && *length != 0) return answer_error(bad_address);
    answer(bytes_to_hex(bytes));
}

void Session::write_memory_hex(Arguments rest) {
    const auto address = parse_hex(cut_until(rest, ','));
    const auto length = parse_hex(cut_until(rest, ':'));
    const auto bytes = bytes_from_hex(rest);
    if (!address || !length || !bytes || bytes->size() != *length) return answer_error(bad_argument);
    write_memory(*address, *bytes);
}

void Session::write_memory_binary(Arguments rest) {
    const auto address = parse_hex(cut_until(rest, ','));
    const auto length = parse_hex(cut_until(rest, ':'));
    if (!address || !length || rest.size() != *length) return answer_error(bad_argument);
    write_memory(*address, std::as_bytes(std::span(rest)));
}

void Session::write_memory(u64 address, std::span<const std::byte> bytes) {
    if (!write_guest(vcpu(), {address}, bytes)) return answer_error(bad_address);
    answer("OK");
}

}  // namespace softmetal::gdb_stub
