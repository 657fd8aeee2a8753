#include "transports/host/claim.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <string_view>
#include <sys/sysmacros.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "transports/host/places.h"

namespace zonebridge::host {
namespace {

namespace fs = std::filesystem;

// The most levels of stacked devices; real stacks are lower.
constexpr int max_depth = 8;

// Decodes "\040" and the like, the kernel's escapes for blanks in /proc's tables.
std::string unescape(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '7'; };
        if (text[i] == '\\' && i + 3 < text.size() && digit(i + 1) && digit(i + 2) &&
            digit(i + 3)) {
            result += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                        (text[i + 3] - '0'));
            i += 3;
        } else {
            result += text[i];
        }
    }
    return result;
}

bool is_path_to(const Places& places, const std::string& path, dev_t number) {
    return path.starts_with('/') && places.block_number(path) == number;
}

struct Mount {
    std::string number;  // "8:1"; a made-up number for file systems on several devices
    std::string point;
    std::string source;
};

// proc_pid_mountinfo(5): "36 35 98:0 /root /point options [tags] - type source options".
std::vector<Mount> mounts(const Places& places) {
    std::vector<Mount> result;
    std::ifstream table(places.proc / "self/mountinfo");
    for (std::string line; std::getline(table, line);) {
        std::istringstream fields(line);
        std::string skipped;
        std::string point;
        Mount mount;
        fields >> skipped >> skipped >> mount.number >> skipped >> point;
        while (fields >> skipped && skipped != "-") continue;
        fields >> skipped >> mount.source;
        mount.point = unescape(point);
        mount.source = unescape(mount.source);
        result.push_back(std::move(mount));
    }
    return result;
}

class Search {
  public:
    explicit Search(const Places& places) : places_(places), mounts_(mounts(places)) {}

    // `which` begins every sentence: "" for the disk itself, "/dev/sda1, a partition of it, ".
    void look_at_users(const fs::path& sysfs, dev_t number, const std::string& which, int depth) {
        find_mounts(number, which);
        find_swap(number, which);
        find_stacked(sysfs, which, depth);
    }

    void look_at_partitions(const Node& block) {
        for (const auto& name : names_in(block.sysfs)) {
            const auto sysfs = block.sysfs / name;
            std::error_code ignored;
            if (!fs::exists(sysfs / "partition", ignored)) continue;
            const auto path = node_path(places_, sysfs);
            add(Holder::Kind::writer, fmt::format("has the partition {}", path));
            if (const auto number = device_number(sysfs))
                look_at_users(sysfs, *number, fmt::format("{}, a partition of it, ", path), 0);
        }
    }

    void look_at_processes(dev_t number) {
        const auto self = std::to_string(::getpid());
        const auto is_it = [&](const fs::path& fd) { return places_.block_number(fd) == number; };
        for (const auto& opener : openers_of(places_, is_it)) {
            // This process may have the disk open already; that alone is not another user.
            if (opener.id == self)
                add(Holder::Kind::reader, "is already open in this process");
            else
                add(opener.writes ? Holder::Kind::writer : Holder::Kind::reader,
                    fmt::format("is open {}in {} (process {})", opener.writes ? "for writing " : "",
                                opener.program, opener.id));
        }
    }

    [[nodiscard]] std::vector<Holder> take() { return std::move(found_); }

  private:
    void add(Holder::Kind kind, std::string words,
             std::optional<std::string> mount_point = std::nullopt) {
        // Bind mounts and the like yield the same words again.
        const auto said = [&](const Holder& holder) { return holder.words == words; };
        if (std::none_of(found_.begin(), found_.end(), said))
            found_.push_back({kind, std::move(words), std::move(mount_point)});
    }

    void find_mounts(dev_t number, const std::string& which) {
        const auto words = fmt::format("{}:{}", ::major(number), ::minor(number));
        for (const auto& mount : mounts_)
            if (mount.number == words || is_path_to(places_, mount.source, number))
                add(Holder::Kind::mounted, fmt::format("{}is mounted at {}", which, mount.point),
                    mount.point);
    }

    void find_swap(dev_t number, const std::string& which) {
        std::ifstream table(places_.proc / "swaps");
        std::string line;
        std::getline(table, line);  // the headings
        while (std::getline(table, line))
            if (is_path_to(places_, unescape(line.substr(0, line.find_first_of(" \t"))), number))
                add(Holder::Kind::mounted, fmt::format("{}is used for swapping", which));
    }

    void find_stacked(const fs::path& sysfs, const std::string& which, int depth) {
        if (depth == max_depth) return;
        for (const auto& name : names_in(sysfs / "holders")) {
            const auto above = places_.sysfs / "class/block" / name;
            const auto path = node_path(places_, above);
            const auto mapped = first_line(above / "dm/name");
            const auto called =
                mapped ? fmt::format("{} (device mapper's {})", path, *mapped) : path;
            add(Holder::Kind::stacked, fmt::format("{}is part of {}", which, called));
            if (const auto number = device_number(above))
                look_at_users(above, *number, fmt::format("{}, which is made of it, ", path),
                              depth + 1);
        }
    }

    const Places& places_;
    std::vector<Mount> mounts_;
    std::vector<Holder> found_;
};

std::string in_words(const std::vector<Holder>& holders) {
    std::string result;
    for (const auto& holder : holders) {
        if (!result.empty()) result += "; ";
        result += holder.words;
    }
    return result;
}

tl::unexpected<Error> in_use(const std::string& path, const std::string& by,
                             std::string_view advice) {
    return tl::make_unexpected(Error{
        StatusCode::io_error,
        fmt::format("{}: {}: writing to it would damage the data there; {}", path, by, advice),
        NativeCause::os_error(EBUSY)});
}

constexpr std::string_view release_it = "release it first, or, if you are sure, give --force";

// --force is for leftovers. Who holds the disk exclusively uses the disk: a file system, a device
// made of this one, or a server.
constexpr std::string_view release_held = "release it first (--force does not help here)";

bool held(const std::vector<Holder>& holders) {
    return std::any_of(holders.begin(), holders.end(), [](const Holder& holder) {
        return holder.kind == Holder::Kind::mounted || holder.kind == Holder::Kind::stacked;
    });
}

tl::expected<int, int> open_exclusively(const std::string& path) {
    // Reading is enough for an exclusive hold, and closing it does not trigger a new scan for
    // partitions.
    const auto fd = ::open(path.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return tl::make_unexpected(errno);
    return fd;
}

}  // namespace

std::vector<Holder> find_holders(const Places& places, const Node& block) {
    Search search(places);
    search.look_at_partitions(block);
    search.look_at_users(block.sysfs, block.number, {}, 0);
    search.look_at_processes(block.number);
    return search.take();
}

std::vector<std::string> holders_of(const Node& block) {
    std::vector<std::string> words;
    for (auto& holder : find_holders({}, block)) words.push_back(std::move(holder.words));
    return words;
}

std::vector<std::string> mount_points_of(const Node& block) {
    std::vector<std::string> points;
    for (auto& holder : find_holders({}, block))
        if (holder.mount_point) points.push_back(std::move(*holder.mount_point));
    return points;
}

tl::expected<Claim, Error> Claim::take(const Node& block, bool force) {
    auto holders = find_holders({}, block);
    std::vector<Holder> writers;
    for (const auto& holder : holders)
        if (holder.kind != Holder::Kind::reader) writers.push_back(holder);
    if (!writers.empty() && !force)
        return in_use(block.path, in_words(writers), held(writers) ? release_held : release_it);

    const auto fd = open_exclusively(block.path);
    if (fd) {
        Claim claim;
        claim.fd_ = *fd;
        return claim;
    }
    if (fd.error() != EBUSY)
        return tl::make_unexpected(os_failure(
            fd.error(), fmt::format("{}: can't be reserved for this program", block.path)));
    // The other holder may have come after the first search.
    if (holders.empty()) holders = find_holders({}, block);
    return in_use(block.path, holders.empty() ? "is in use by the kernel" : in_words(holders),
                  force ? release_held : release_it);
}

tl::expected<Claim, Error> Claim::take_sibling(const Node& node, bool force) {
    if (!node.block) return Claim();
    const auto block = look_at(*node.block);
    if (!block) return tl::make_unexpected(block.error());
    // --force can't make this safe: the file system and Zonebridge would each keep write pointers.
    std::vector<Holder> mounted;
    for (const auto& holder : find_holders({}, *block))
        if (holder.kind == Holder::Kind::mounted) mounted.push_back(holder);
    if (!mounted.empty())
        return in_use(fmt::format("{} (the same disk as {})", block->path, node.path),
                      in_words(mounted), "unmount it first (--force does not help here)");
    return take(*block, force);
}

Claim::~Claim() {
    if (fd_) ::close(*fd_);
}

}  // namespace zonebridge::host
