// Runs a fuzz target over files, or all files of folders, in a build without a fuzzer: what was found once
// stays mended.
#include "input.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

namespace {

bool run(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        std::fprintf(stderr, "cannot read %s\n", path.c_str());
        return false;
    }
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    // Said before it may crash.
    std::printf("%s\n", path.c_str());
    std::fflush(stdout);
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    unsigned count = 0;
    bool good = true;
    for (int i = 1; i < argc; i++) {
        const std::filesystem::path path = argv[i];
        if (!std::filesystem::is_directory(path)) {
            good &= run(path);
            count++;
            continue;
        }
        for (const auto& entry : std::filesystem::directory_iterator(path)) {
            good &= run(entry.path());
            count++;
        }
    }
    std::printf("%u inputs\n", count);
    return good && count != 0 ? 0 : 1;
}
