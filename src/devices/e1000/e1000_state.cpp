// How an E1000Chip is saved and restored.
#include "devices/e1000/e1000_chip.hpp"
#include "devices/state_reader.hpp"

namespace softmetal::devices {

namespace {

nlohmann::json save_ring(const E1000Ring& ring) {
    return {{"base", ring.base}, {"length", ring.length}, {"head", ring.head}, {"tail", ring.tail}};
}

Result<E1000Ring> restore_ring(const nlohmann::json& fields) {
    StateReader in(fields, "e1000 ring");
    E1000Ring ring;
    ring.base = in.number<u64>("base");
    ring.length = in.number<u32>("length", e1000::ring_length_mask);
    ring.head = in.number<u32>("head", 0xffff);
    ring.tail = in.number<u32>("tail", 0xffff);
    in.require((ring.base & 15) == 0 && (ring.length & ~e1000::ring_length_mask) == 0,
               "a ring is not aligned");
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    return ring;
}

}  // namespace

nlohmann::json E1000Chip::save() const {
    const E1000Eeprom::Wires& w = eeprom_.wires();
    return {{"address_words", {eeprom_.word(0), eeprom_.word(1), eeprom_.word(2)}},
            {"wires",
             {{"clock", w.clock},
              {"selected", w.selected},
              {"output", w.output},
              {"count", w.count},
              {"command", w.command},
              {"data", w.data}}},
            {"phy", phy_.registers()},
            {"control", control_},
            {"eeprom_control", eeprom_control_},
            {"eeprom_read", eeprom_read_},
            {"mdi", mdi_},
            {"cause", cause_},
            {"mask", mask_},
            {"receive_control", receive_control_},
            {"transmit_control", transmit_control_},
            {"multicast", multicast_},
            {"vlan_filter", vlan_filter_},
            {"addresses", addresses_},
            {"stored", stored_},
            {"receive", save_ring(receive)},
            {"transmit", save_ring(transmit)}};
}

Result<> E1000Chip::restore(const nlohmann::json& fields) {
    StateReader in(fields, "e1000 registers");
    std::array<u16, 3> words{};
    in.numbers<u16>("address_words", words);
    for (unsigned i = 0; i < words.size(); i++)
        in.require(words[i] == eeprom_.word(i), "the card had another address");
    StateReader wires(in.part("wires"), "e1000 EEPROM");
    E1000Eeprom::Wires w;
    w.clock = wires.flag("clock");
    w.selected = wires.flag("selected");
    w.output = wires.flag("output");
    w.count = wires.number<u8>("count", 9);
    w.command = wires.number<u16>("command");
    w.data = wires.number<u16>("data");
    if (auto read = wires.finish(); in.good() && !read) return read;
    E1000Phy::Registers phy{};
    in.numbers<u16>("phy", phy);
    control_ = in.number<u32>("control");
    eeprom_control_ = in.number<u32>("eeprom_control", e1000::eeprom_control::writable);
    eeprom_read_ = in.number<u32>("eeprom_read");
    mdi_ = in.number<u32>("mdi");
    cause_ = in.number<u32>("cause", e1000::cause::all);
    mask_ = in.number<u32>("mask", e1000::cause::all);
    receive_control_ = in.number<u32>("receive_control");
    transmit_control_ = in.number<u32>("transmit_control");
    in.numbers<u32>("multicast", multicast_);
    in.numbers<u32>("vlan_filter", vlan_filter_);
    in.numbers<u32>("addresses", addresses_);
    in.numbers<u32>("stored", stored_);
    const nlohmann::json &receive_fields = in.part("receive"), &transmit_fields = in.part("transmit");
    if (auto read = in.finish(); !read) return read;
    const auto receive_ring = restore_ring(receive_fields), transmit_ring = restore_ring(transmit_fields);
    if (!receive_ring) return std::unexpected(receive_ring.error());
    if (!transmit_ring) return std::unexpected(transmit_ring.error());
    receive = *receive_ring;
    transmit = *transmit_ring;
    eeprom_.set_wires(w);
    phy_.set_registers(phy);
    return {};
}

}  // namespace softmetal::devices
