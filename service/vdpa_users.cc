#include "service/vdpa_users.h"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include "service/log.h"
#include "transports/host/claim.h"
#include "transports/host/places.h"

namespace zonebridge::service {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> openers_of(const std::string& node) {
    std::vector<std::string> words;
    const fs::path proc("/proc");
    for (const auto& id : host::names_in(proc)) {
        if (id.find_first_not_of("0123456789") != std::string::npos) continue;
        for (const auto& fd : host::names_in(proc / id / "fd")) {
            std::error_code failed;
            if (fs::read_symlink(proc / id / "fd" / fd, failed) != node) continue;
            words.push_back(fmt::format("is open in {} (process {})",
                                        host::first_line(proc / id / "comm").value_or("a program"),
                                        id));
            break;
        }
    }
    return words;
}

/// What `node` is, if it is there still.
std::optional<host::Node> disk_at(const std::string& node) {
    auto disk = host::look_at(node);
    if (!disk || disk->kind != host::Node::Kind::block) return std::nullopt;
    return std::move(*disk);
}

void write_out(const std::string& node) {
    const auto disk = disk_at(node);
    if (!disk) return;
    for (const auto& point : host::mount_points_of(*disk)) {
        const virtio::UniqueFd place(::open(point.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        if (!place || ::syncfs(place.get()) != 0)
            log("{}: what {} has in memory could not be written out: {}", node, point,
                os_failure(errno, "syncfs").message);
    }
    const virtio::UniqueFd whole(::open(node.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!whole || ::fsync(whole.get()) != 0)
        log("{}: what is in memory could not be written out: {}", node,
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
            return openers_of(node);
    }
    return {};
}

WriteOut::WriteOut(const std::string& node)
    : done_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this, node] {
          write_out(node);
          const std::uint64_t one = 1;
          [[maybe_unused]] const auto told = ::write(done_.get(), &one, sizeof(one));
      }) {}

WriteOut::~WriteOut() {
    thread_.join();
}

}  // namespace zonebridge::service
