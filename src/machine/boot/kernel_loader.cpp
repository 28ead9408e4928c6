#include "machine/boot/kernel_loader.hpp"

#include "machine/boot/kernel_image.hpp"
#include "machine/boot/linux_loader.hpp"
#include "machine/boot/multiboot.hpp"
#include "machine/boot/multiboot2.hpp"
#include "machine/boot/pvh.hpp"

namespace softmetal::machine {

Result<KernelEntry> load_kernel(GuestMemory& memory, const BootRequest& boot) {
    if (has_setup_header(boot.kernel)) return load_linux(memory, boot);
    if (const auto header = find_multiboot2_header(boot.kernel))
        return load_multiboot2(memory, boot, *header);
    if (const auto header = find_multiboot_header(boot.kernel)) return load_multiboot(memory, boot, *header);
    if (is_elf(boot.kernel)) {
        const auto image = parse_elf(boot.kernel);
        if (!image) return std::unexpected(image.error());
        if (const auto entry = pvh_entry(*image)) return load_pvh(memory, boot, *image, *entry);
        return fail("the kernel is an ELF file with neither a Multiboot header nor a PVH entry point");
    }
    return fail("the kernel is neither a Linux bzImage nor a Multiboot or PVH kernel");
}

}  // namespace softmetal::machine
