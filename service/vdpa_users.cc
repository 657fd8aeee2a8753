#include "service/vdpa_users.h"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "base/thread.h"
#include "service/log.h"
#include "transports/host/claim.h"
#include "transports/host/places.h"

namespace zonebridge::service {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> openers_in_words(const std::string& node) {
    std::vector<std::string> words;
    const auto is_it = [&](const fs::path& fd) {
        std::error_code failed;
        return fs::read_symlink(fd, failed) == node;
    };
    for (const auto& opener : host::openers_of({}, is_it))
        words.push_back(fmt::format("is open in {} (process {})", opener.program, opener.id));
    return words;
}

/// The disk behind `node`, if the node still exists.
std::optional<host::Node> disk_at(const std::string& node) {
    auto disk = host::look_at(node);
    if (!disk || disk->kind != host::Node::Kind::block) return std::nullopt;
    return std::move(*disk);
}

void write_out(const std::string& node) {
    const auto disk = disk_at(node);
    if (!disk) return;
    for (const auto& point : host::mount_points_of(*disk)) {
        const UniqueFd place(::open(point.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        if (!place || ::syncfs(place.get()) != 0)
            log("{}: the data that {} has in memory could not be written out: {}", node, point,
                os_failure(errno, "syncfs").message);
    }
    const UniqueFd whole(::open(node.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!whole || ::fsync(whole.get()) != 0)
        log("{}: the data in memory could not be written out: {}", node,
            os_failure(errno, "fsync").message);
}

}  // namespace

std::vector<std::string> users_of(const std::string& node, VdpaAttach attach) {
    switch (attach) {
        case VdpaAttach::host: {
            const auto disk = disk_at(node);
            return disk ? host::holders_of(*disk) : std::vector<std::string>{};
        }
        case VdpaAttach::guest:
            return openers_in_words(node);
    }
    return {};
}

WriteOut::WriteOut(const std::string& node)
    : done_(make_event_fd()), thread_(start_thread("zb-write-out", [this, node] {
          write_out(node);
          signal_event(done_);
      })) {}

WriteOut::~WriteOut() {
    thread_.join();
}

}  // namespace zonebridge::service
