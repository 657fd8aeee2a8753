#include "transports/emulated/last_use.h"

#include <cstring>

#include <fmt/format.h>

namespace zonebridge::emulated {
namespace {

// The key of the last use's entries in the live table; absent if there is none that fits. If the newer
// copy of the superblock is damaged, the last use may be the one after the other copy's.
tl::expected<std::optional<std::uint64_t>, int> find_key(LiveTable& table,
                                                         const SuperblockPair& superblocks,
                                                         const FileInstance& instance) {
    const auto& newest = superblocks.newest();
    std::vector<Superblock> candidates;
    if (!superblocks.both_good()) candidates.push_back(superblocks.next_use(instance, true));
    if (!newest.clean && newest.live && newest.instance == instance) candidates.push_back(newest);
    for (const auto& candidate : candidates) {
        const auto key = LiveTable::key_of(candidate);
        const auto used = table.was_used(key);
        if (!used) return tl::make_unexpected(used.error());
        if (*used) return key;
    }
    return std::nullopt;
}

std::string words_of_failure(std::uint32_t error) {
    return fmt::format(
        "data could not be made durable when the disk was last in use ({}): what was written after "
        "the "
        "last flush that succeeded may be missing, in conventional zones without a trace",
        std::strerror(static_cast<int>(error)));
}

}  // namespace

tl::expected<LastUse, Error> find_last_use(File& file, LiveTable& table,
                                           const SuperblockPair& superblocks,
                                           const std::optional<FileInstance>& instance, bool in_use,
                                           const std::string& path) {
    LastUse use;
    const auto& newest = superblocks.newest();
    if (in_use || superblocks.trusted()) return use;
    use.closed = false;
    if (newest.failure != 0) use.losses.push_back(words_of_failure(newest.failure));

    const auto unreadable = [&](int error) {
        return tl::make_unexpected(os_failure(
            error,
            fmt::format("cannot read the live table of {}, which has the zones' state", path)));
    };
    std::optional<std::uint64_t> key;
    if (instance) {
        const auto found = find_key(table, superblocks, *instance);
        if (!found) return unreadable(found.error());
        key = *found;
    }
    if (key) {
        use.same_boot = true;
        use.live.emplace();
        const auto add = [&](std::uint32_t zone, const ZoneRecord& record) {
            use.live->push_back({zone, record});
        };
        if (const auto error = table.read(*key, add)) return unreadable(error);
        return use;
    }

    if (newest.clean) return use;  // only the other copy of the superblock is damaged
    const auto known = newest.instance.boot_id != Uuid{};
    use.same_boot = instance && known && newest.instance.boot_id == instance->boot_id;
    if (use.same_boot && newest.instance != *instance)
        use.losses.emplace_back(
            "it is a copy of a disk that was not closed, or was moved to another file system: what "
            "was written after the last flush may be missing or mixed");
    else if (use.same_boot && newest.live)
        use.losses.emplace_back(
            "its table of live zones does not belong to its last use: what was written after the "
            "last flush is missing");
    else if (known && !use.same_boot && file.shared_between_hosts())
        use.losses.emplace_back(
            "it was in use on another host, or on this host before a restart, and a server may "
            "still be running there: two servers would destroy its data");
    return use;
}

}  // namespace zonebridge::emulated
