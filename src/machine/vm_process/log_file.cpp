#include "machine/vm_process/log_file.hpp"

#include "host/file_io.hpp"

#include <algorithm>

namespace softmetal::machine {
namespace {

constexpr std::size_t longest_line = 4096;

}  // namespace

LogFile::LogFile(host::UniqueFd file) : file_(std::move(file)) {}

LogFile::~LogFile() { flush(); }

void LogFile::write(std::span<const u8> bytes) {
    const std::lock_guard lock(mutex_);
    line_.insert(line_.end(), bytes.begin(), bytes.end());
    if (line_.size() >= longest_line || std::ranges::find(bytes, u8{'\n'}) != bytes.end()) write_out();
}

void LogFile::flush() {
    const std::lock_guard lock(mutex_);
    write_out();
}

void LogFile::write_out() {
    [[maybe_unused]] const auto written = host::write_on(file_.get(), std::as_bytes(std::span(line_)));
    line_.clear();
}

}  // namespace softmetal::machine
