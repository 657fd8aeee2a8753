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

Superblock SuperblockPair::next_use(const FileInstance& instance, bool live) const noexcept {
    auto next = newest_;
    next.clean = false;
    next.epoch += 1;
    next.instance = instance;
    next.live = live;
    next.failure = 0;
    return next;
}

int SuperblockPair::begin_use(const Superblock& next) noexcept {
    const std::lock_guard guard(lock_);
    return write(next);
}

int SuperblockPair::mark_unclean(const Superblock& next) noexcept {
    const std::lock_guard guard(lock_);
    return marked_unclean_.load() ? 0 : write(next);
}

int SuperblockPair::drop_live() noexcept {
    const std::lock_guard guard(lock_);
    auto next = newest_;
    next.live = false;
    return write(next);
}

void SuperblockPair::note_failure(int error) noexcept {
    const std::lock_guard guard(lock_);
    if (newest_.failure != 0) return;
    auto next = newest_;
    next.failure = static_cast<std::uint32_t>(error);
    next.generation += 1;
    const auto sector = encode(next);
    // It can't be expected to reach the medium, but the page cache has it while the host runs.
    if (file_.write_all(sector, (next.generation & 1) * page_size) != 0) return;
    newest_ = next;
    static_cast<void>(file_.sync());
}

bool SuperblockPair::is_in_file() noexcept {
    const std::lock_guard guard(lock_);
    SectorBytes found{};
    return file_.read_all(found, (newest_.generation & 1) * page_size) == 0 &&
           found == encode(newest_);
}

int SuperblockPair::mark_clean(std::uint64_t table_digest) noexcept {
    const std::lock_guard guard(lock_);
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
    live_ = next.live;
    marked_unclean_ = !next.clean;
    return 0;
}

}  // namespace zonebridge::emulated
