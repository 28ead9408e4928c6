// A kernel file comes from anywhere: it is refused with a sentence, or it is loaded inside the guest's
// memory.
#include "machine/boot/kernel_image.hpp"

#include "input.hpp"
#include "machine/boot/linux_loader.hpp"
#include "machine/boot/real_mode_kernel.hpp"

using namespace softmetal;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto file = std::as_bytes(std::span(data, size));
    const std::string_view command_line = "console=ttyS0 vga=788";
    const machine::BootRequest boot{
        .kernel = file, .initrd = file.first(size / 2), .command_line = command_line};
    static_cast<void>(machine::needs_real_mode_entry(file));
    if (const auto parts = machine::prepare_real_mode_kernel(boot, 16 << 20))
        for (const auto* part : {&parts->setup, &parts->payload, &parts->command_line, &parts->initrd})
            if (u64{part->address} + part->bytes.size() > 16 << 20) fuzz::fail("a part beyond the memory");
    const auto image = machine::parse_kernel_image(file);
    if (!image) return 0;
    const auto inside = [&](std::span<const std::byte> part) {
        return part.data() >= file.data() && part.data() + part.size() <= file.data() + file.size();
    };
    if (!inside(image->setup_header) || !inside(image->payload)) fuzz::fail("a part outside the file");
    static const auto memory = GuestMemory::create(16 << 20);
    const auto entry = machine::load_linux(**memory, boot);
    if (entry && entry->address.value >= u64{1} << 32) fuzz::fail("an entry point beyond 4 GiB");
    return 0;
}
