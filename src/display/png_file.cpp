#include "display/png_file.hpp"

#include <fmt/format.h>
#include <png.h>
#include <vector>

namespace softmetal::display {

Result<> write_png(const std::string& path, u32 width, u32 height, std::span<const u32> pixels) {
    std::vector<png_byte> bytes;
    bytes.reserve(pixels.size() * 3);
    for (const u32 pixel : pixels)
        for (const unsigned shift : {16u, 8u, 0u}) bytes.push_back(static_cast<png_byte>(pixel >> shift));
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = width;
    image.height = height;
    image.format = PNG_FORMAT_RGB;
    if (png_image_write_to_file(&image, path.c_str(), 0, bytes.data(), 0, nullptr)) return {};
    return fail(fmt::format("cannot write the picture '{}': {}", path, &image.message[0]));
}

}  // namespace softmetal::display
