#include "transports/emulated/superblock_pair.h"

#include <fmt/format.h>

namespace zonebridge::emulated {

tl::expected<FoundSuperblock, Error> read_superblock(File& file, const std::string& path) {
    std::array<std::uint8_t, 2 * page_size> start{};
    const iovec into{start.data(), start.size()};
    const auto read = file.read({&into, 1}, 0);
    if (!read)
        return tl::make_unexpected(os_failure(read.error(), fmt::format("cannot read {}", path)));
    auto found = choose_superblock(start);
    if (!found) {
        auto& message = found.error().message;
        message = *read == 0 ? fmt::format("{} is not an emulated zoned disk (it is empty)", path)
                             : fmt::format("{} {}", path, message);
    }
    return found;
}

int SuperblockPair::mark_unclean() noexcept {
    if (marked_unclean_.load()) return 0;
    const std::lock_guard guard(lock_);
    if (marked_unclean_.load()) return 0;
    auto next = newest_;
    next.clean = false;
    if (const auto error = write(next)) return error;
    marked_unclean_ = true;
    return 0;
}

int SuperblockPair::mark_clean(std::uint64_t table_digest) noexcept {
    auto next = newest_;
    next.clean = true;
    next.table_digest = table_digest;
    return write(next);
}

// Replaces the older copy.
int SuperblockPair::write(Superblock next) noexcept {
    next.generation += 1;
    const auto size = file_.size();
    if (!size) return size.error();
    next.file_size = *size;
    const auto sector = encode(next);
    if (const auto error = file_.write_all(sector, (next.generation & 1) * page_size)) return error;
    if (const auto error = file_.sync()) return error;
    newest_ = next;
    return 0;
}

}  // namespace zonebridge::emulated
