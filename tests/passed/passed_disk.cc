#include "tests/passed/passed_disk.h"

#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

namespace zonebridge::test {

std::optional<Bytes> ask_host(const Bytes& cdb, std::uint32_t length) {
    const TemporaryFolder folder;
    const auto file = folder / "reply";
    auto line = fmt::format("sg_raw -r {} -o {} {}", length, file, PassedThrough::device());
    for (const auto byte : cdb) line += fmt::format(" {:02x}", byte);
    line += " >/dev/null 2>&1";
    if (std::system(line.c_str()) != 0) return std::nullopt;
    const auto text = ::access(file.c_str(), F_OK) == 0 ? read_file(file) : std::string();
    return Bytes(text.begin(), text.end());
}

Bytes bytes_in(const driver::ScsiResult& result) {
    Bytes bytes;
    for (const auto byte : result.data) bytes.push_back(static_cast<std::uint8_t>(byte));
    return bytes;
}

std::string PassedThrough::device() {
    const auto* const name = std::getenv("ZB_SG");
    if (name == nullptr) throw std::runtime_error("ZB_SG names no disk");
    return name;
}

PassedThrough::PassedThrough(const std::vector<std::string>& extra) {
    std::vector<std::string> arguments{
        "serve", "--virtio",           "scsi",      "--socket", socket(),
        "--lun", "0=scsi:" + device(), "--sandbox", "require"};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    // The server inherits this program's standard error, which is redirected to the log for the
    // start.
    const auto own = ::dup(STDERR_FILENO);
    const auto file =
        ::open((folder_ / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(file, STDERR_FILENO);
    server_ = std::make_unique<Background>(arguments);
    output_ = server_->output_until("ready:");
    ::dup2(own, STDERR_FILENO);
    ::close(own);
    ::close(file);
    if (output_.find("ready:") == std::string::npos)
        throw std::runtime_error("no server: " + output_ + log());
}

std::string PassedThrough::log() const {
    std::istringstream all(read_file(folder_ / "log"));
    std::string about;
    for (std::string line; std::getline(all, line);)
        if (line.find(device() + ": ") != std::string::npos) about += line + "\n";
    return about;
}

std::string PassedThrough::log_with(const std::string& words) const {
    for (int patience = 100;; --patience) {
        auto all = read_file(folder_ / "log");
        if (patience == 0 || all.find(words) != std::string::npos) return all;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

}  // namespace zonebridge::test
