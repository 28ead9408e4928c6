#include "machine/boot/multiboot2.hpp"

#include "base/bits.hpp"
#include "machine/boot/elf_image.hpp"
#include "machine/boot/file_bytes.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace softmetal::machine {
namespace {

using Bytes = std::span<const std::byte>;

constexpr u32 header_magic = 0xe852'50d6;
constexpr u32 loader_magic = 0x36d7'6289;  // in EAX
constexpr u32 architecture_i386 = 0;
constexpr u64 search_end = 32768;  // the header lies within the file's first so many bytes
constexpr u64 tag_alignment = 8;
constexpr u64 header_size = 16, tag_header_size = 8;

namespace header_tag {
enum : u16 {
    end = 0,
    information_request = 1,
    address = 2,
    entry_address = 3,
    console_flags = 4,
    framebuffer = 5,
    module_alignment = 6,
    efi_boot_services = 7,
    entry_address_efi_i386 = 8,
    entry_address_efi_amd64 = 9,
    relocatable = 10,
};
constexpr u16 optional = 1;  // flag: the loader may ignore the tag
}  // namespace header_tag
constexpr u32 console_required = 1;

namespace information_tag {
enum : u32 {
    end = 0,
    command_line = 1,
    loader_name = 2,
    module = 3,
    basic_memory = 4,
    memory_map = 6,
    old_rsdp = 14,
    new_rsdp = 15,
};
constexpr bool provided(u32 type) {
    return type == end || type == command_line || type == loader_name || type == module ||
           type == basic_memory || type == memory_map || type == old_rsdp || type == new_rsdp;
}
}  // namespace information_tag
constexpr u32 memory_map_entry_size = 24;
constexpr u64 old_rsdp_size = 20, new_rsdp_size = 36;

/// What the header's tags ask for.
struct Demands {
    struct Addresses {
        u32 header = 0, load = 0, load_end = 0, bss_end = 0;
    };
    std::optional<Addresses> addresses;
    std::optional<u32> entry;
};

Result<> check_information_request(Bytes tag) {
    for (u64 at = tag_header_size; const auto type = number_at<u32>(tag, at); at += 4)
        if (!information_tag::provided(*type))
            return fail(fmt::format(
                "the kernel's Multiboot2 header demands information of type {}, which is not provided",
                *type));
    return {};
}

/// One tag that is not optional, or that is understood anyway.
Result<> read_tag(u16 type, bool optional, Bytes tag, Demands& demands) {
    switch (type) {
        case header_tag::information_request: return optional ? Result<>{} : check_information_request(tag);
        case header_tag::address: {
            const auto words = number_at<std::array<u32, 4>>(tag, tag_header_size);
            if (!words) return fail("the kernel's Multiboot2 address tag is too short");
            demands.addresses = {(*words)[0], (*words)[1], (*words)[2], (*words)[3]};
            return {};
        }
        case header_tag::entry_address:
            demands.entry = number_at<u32>(tag, tag_header_size);
            if (!demands.entry) return fail("the kernel's Multiboot2 entry address tag is too short");
            return {};
        case header_tag::console_flags:
            if (!optional && number_at<u32>(tag, tag_header_size).value_or(0) & console_required)
                return fail("the kernel's Multiboot2 header demands a console: this machine has no display");
            return {};
        case header_tag::framebuffer:
            if (!optional)
                return fail(
                    "the kernel's Multiboot2 header demands a framebuffer: this machine has no display");
            return {};
        // Modules are always aligned; EFI's entry points matter only where there is EFI; the kernel's own
        // addresses suit, so that there is no need to move it.
        case header_tag::module_alignment:
        case header_tag::entry_address_efi_i386:
        case header_tag::entry_address_efi_amd64:
        case header_tag::relocatable: return {};
        default:
            if (optional) return {};
            return fail(fmt::format(
                "the kernel's Multiboot2 header has a tag of type {}, which is not provided", type));
    }
}

Result<Demands> read_header(Bytes file, u64 header) {
    const auto size = number_at<u32>(file, header + 8);
    const auto whole = size ? bytes_at(file, header, *size) : std::nullopt;
    if (!whole) return fail("the kernel's Multiboot2 header is truncated");
    Demands demands;
    for (u64 at = header_size;;) {
        const auto type = number_at<u16>(*whole, at), flags = number_at<u16>(*whole, at + 2);
        const auto tag_size = number_at<u32>(*whole, at + 4);
        const auto tag = tag_size ? bytes_at(*whole, at, *tag_size) : std::nullopt;
        if (!tag || *tag_size < tag_header_size) return fail("the kernel's Multiboot2 header is malformed");
        if (*type == header_tag::end) return demands;
        if (auto r = read_tag(*type, *flags & header_tag::optional, *tag, demands); !r)
            return std::unexpected(r.error());
        at = align_up(at + *tag_size, tag_alignment);
    }
}

/// As the address tag says: an image without other headers. A load address of -1 stands for the file's start.
Result<> load_by_addresses(BootMemory& memory, Bytes file, u64 header, const Demands::Addresses& a) {
    const u64 load = a.load == ~u32{0} ? u64{a.header} - header : a.load;
    if (load > a.header || a.header - load > header || (a.load_end != 0 && a.load_end < load) ||
        (a.bss_end != 0 && a.bss_end < std::max<u64>(a.load_end, load)))
        return fail("the kernel's Multiboot2 header has contradictory addresses");
    const u64 start = header - (a.header - load);
    const u64 size = a.load_end != 0 ? a.load_end - load : file.size() - start;
    const auto bytes = bytes_at(file, start, size);
    if (!bytes) return fail("the kernel is truncated: its Multiboot2 header promises more");
    return memory.load(load, *bytes, std::max(size, a.bss_end != 0 ? a.bss_end - load : 0), "the kernel");
}

/// Loads the kernel; yields its entry point.
Result<u64> load_kernel_image(BootMemory& memory, Bytes file, u64 header, const Demands& demands) {
    if (demands.addresses) {
        if (!demands.entry) return fail("the kernel's Multiboot2 header has addresses, but no entry point");
        if (auto r = load_by_addresses(memory, file, header, *demands.addresses); !r)
            return std::unexpected(r.error());
        return *demands.entry;
    }
    const auto image = parse_elf(file);
    if (!image) return std::unexpected(image.error());
    if (auto r = load_segments(memory, *image); !r) return std::unexpected(r.error());
    return demands.entry ? u64{*demands.entry} : image->physical_entry();
}

/// The boot information: its own size, then tags.
class Information {
 public:
    Information() { out_.append<u64>(0); }
    /// Starts a tag; close() fills its size in and aligns what follows.
    void open(u32 type) {
        tag_ = out_.size();
        out_.append<u32>(type);
        out_.append<u32>(0);
    }
    ByteBuilder& content() { return out_; }
    void close() {
        out_.set<u32>(tag_ + 4, static_cast<u32>(out_.size() - tag_));
        out_.align(tag_alignment);
    }
    void text(u32 type, std::string_view text) {
        open(type);
        out_.append_text(text);
        close();
    }
    void bytes(u32 type, Bytes bytes) {
        open(type);
        out_.append_bytes(bytes);
        close();
    }
    Bytes finish() {
        open(information_tag::end);
        close();
        out_.set<u32>(0, static_cast<u32>(out_.size()));
        return out_.bytes();
    }

 private:
    ByteBuilder out_;
    u64 tag_ = 0;
};

void add_memory(Information& information, const std::vector<MemoryRange>& map) {
    information.open(information_tag::basic_memory);
    information.content().append<u32>(static_cast<u32>(lower_memory_kib(map)));
    information.content().append<u32>(static_cast<u32>(upper_memory_kib(map)));
    information.close();
    information.open(information_tag::memory_map);
    information.content().append<u32>(memory_map_entry_size);
    information.content().append<u32>(0);  // version
    for (const MemoryRange& range : map) {
        information.content().append<u64>(range.first);
        information.content().append<u64>(range.size);
        information.content().append<u32>(static_cast<u32>(range.type));
        information.content().append<u32>(0);
    }
    information.close();
}

/// Copies of the table, as the specification wants them: its first version's fields, then the whole.
Result<> add_rsdp(Information& information, const GuestMemory& memory, GuestPhysical rsdp) {
    std::array<std::byte, new_rsdp_size> table{};
    if (!memory.read(rsdp, table)) return fail("the ACPI tables are not in guest memory");
    information.bytes(information_tag::old_rsdp, std::span(table).first(old_rsdp_size));
    information.bytes(information_tag::new_rsdp, table);
    return {};
}

}  // namespace

std::optional<u64> find_multiboot2_header(Bytes file) {
    for (u64 at = 0; at + header_size <= std::min<u64>(file.size(), search_end); at += tag_alignment) {
        const auto words = number_at<std::array<u32, 4>>(file, at);
        if (!words || (*words)[0] != header_magic || (*words)[1] != architecture_i386) continue;
        if ((*words)[0] + (*words)[1] + (*words)[2] + (*words)[3] == 0) return at;
    }
    return std::nullopt;
}

Result<KernelEntry> load_multiboot2(GuestMemory& guest_memory, const BootRequest& boot, u64 header) {
    const auto demands = read_header(boot.kernel, header);
    if (!demands) return std::unexpected(demands.error());
    BootMemory memory(guest_memory);
    const auto entry = load_kernel_image(memory, boot.kernel, header, *demands);
    if (!entry) return std::unexpected(entry.error());

    Information information;
    information.text(information_tag::command_line, boot.command_line);
    information.text(information_tag::loader_name, boot_loader_name);
    if (!boot.initrd.empty()) {
        // Behind the kernel: one that maps little memory at first can still reach it.
        const auto place = memory.place(boot.initrd, page_size, memory.kernel_end(), "the initrd");
        if (!place) return std::unexpected(place.error());
        information.open(information_tag::module);
        information.content().append<u32>(static_cast<u32>(place->value));
        information.content().append<u32>(static_cast<u32>(place->value + boot.initrd.size()));
        information.content().append_text("initrd");
        information.close();
    }
    add_memory(information, memory.map());
    if (auto r = add_rsdp(information, guest_memory, boot.rsdp); !r) return std::unexpected(r.error());
    const auto place = memory.place(information.finish(), tag_alignment, 0, "the Multiboot2 information");
    if (!place) return std::unexpected(place.error());
    auto entry_state = enter_flat_32(memory, *entry, loader_magic, *place);
    if (entry_state) entry_state->may_return_to_real_mode = true;
    return entry_state;
}

}  // namespace softmetal::machine
