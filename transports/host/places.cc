#include "transports/host/places.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <string_view>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <system_error>

namespace zonebridge::host {
namespace {

namespace fs = std::filesystem;

bool opened_for_writing(const fs::path& process, const std::string& fd) {
    std::ifstream info(process / "fdinfo" / fd);
    for (std::string line; std::getline(info, line);) {
        constexpr std::string_view key = "flags:";
        if (!line.starts_with(key)) continue;
        return (std::strtoul(line.c_str() + key.size(), nullptr, 8) & O_ACCMODE) != O_RDONLY;
    }
    return false;
}

bool is_number(const std::string& name) {
    return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

bool is_there(const fs::path& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

std::optional<std::string> first_line(const fs::path& file) {
    std::ifstream stream(file);
    std::string line;
    // An empty attribute exists: its first line is empty.
    if (!stream) return std::nullopt;
    if (!std::getline(stream, line) && !stream.eof()) return std::nullopt;
    while (!line.empty() && line.back() == ' ') line.pop_back();
    return line;
}

std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    std::error_code failed;
    for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end;
         entry.increment(failed))
        names.push_back(entry->path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

std::optional<dev_t> device_number(const fs::path& sysfs) {
    const auto text = first_line(sysfs / "dev");
    if (!text) return std::nullopt;
    unsigned major = 0;
    unsigned minor = 0;
    const auto* const end = text->data() + text->size();
    const auto first = std::from_chars(text->data(), end, major);
    if (first.ec != std::errc{} || first.ptr == end) return std::nullopt;
    if (std::from_chars(first.ptr + 1, end, minor).ec != std::errc{}) return std::nullopt;
    return makedev(major, minor);
}

std::string node_path(const Places& places, const fs::path& sysfs) {
    // The kernel's own name has '!' where the node's path has '/' ("bsg/0:0:0:0", "cciss!c0d0").
    constexpr std::string_view key = "DEVNAME=";
    std::ifstream uevent(sysfs / "uevent");
    for (std::string line; std::getline(uevent, line);)
        if (line.starts_with(key)) return (places.dev / line.substr(key.size())).string();
    return (places.dev / sysfs.filename()).string();
}

std::optional<dev_t> block_number_at(const fs::path& path) {
    struct statx facts {};
    if (::statx(AT_FDCWD, path.c_str(), AT_STATX_DONT_SYNC, STATX_TYPE, &facts) != 0)
        return std::nullopt;
    if (!S_ISBLK(facts.stx_mode)) return std::nullopt;
    return makedev(facts.stx_rdev_major, facts.stx_rdev_minor);
}

std::vector<Opener> openers_of(const Places& places,
                               const std::function<bool(const fs::path&)>& is_it) {
    std::vector<Opener> openers;
    for (const auto& id : names_in(places.proc)) {
        if (!is_number(id)) continue;
        const auto process = places.proc / id;
        bool opened = false;
        bool writes = false;
        for (const auto& fd : names_in(process / "fd")) {
            if (!is_it(process / "fd" / fd)) continue;
            opened = true;
            writes = writes || opened_for_writing(process, fd);
        }
        if (opened)
            openers.push_back({id, first_line(process / "comm").value_or("a program"), writes});
    }
    return openers;
}

}  // namespace zonebridge::host
