#include "machine/acpi/table_loader.hpp"

#include "machine/acpi/table_writer.hpp"

#include <string_view>

namespace softmetal::machine::acpi {
namespace {

constexpr std::size_t command_size = 128, name_size = 56;
enum Command : u32 { allocate = 1, add_pointer = 2, add_checksum = 3 };
enum Zone : u8 { high = 1, below_one_mib = 2 };

const char* file_of(TableImage::Part part) {
    return part == TableImage::Part::rsdp ? rsdp_file : tables_file;
}

void file_name(TableWriter& t, std::string_view name) { t.text(name).zeros(name_size - name.size()); }

}  // namespace

std::vector<std::byte> loader_script(const TableImage& image) {
    TableWriter t;
    const auto end_command = [&] { t.zeros((command_size - t.size() % command_size) % command_size); };
    const auto allocation = [&](const char* file, u32 alignment, Zone zone) {
        t.number32(allocate);
        file_name(t, file);
        t.number32(alignment).number8(zone);
        end_command();
    };
    allocation(rsdp_file, 16, below_one_mib);
    allocation(tables_file, table_alignment, high);
    for (const TableImage::Pointer& p : image.pointers) {
        t.number32(add_pointer);
        file_name(t, file_of(p.part));
        file_name(t, tables_file);
        t.number32(p.at).number8(p.size);
        end_command();
    }
    for (const TableImage::Checksum& c : image.checksums) {
        t.number32(add_checksum);
        file_name(t, file_of(c.part));
        t.number32(c.at).number32(c.first).number32(c.size);
        end_command();
    }
    return std::move(t).finish_raw();
}

}  // namespace softmetal::machine::acpi
