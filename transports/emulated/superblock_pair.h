// The two copies of the superblock in an open disk's file, and the mark that the disk is in use.
// The mark is on disk before the first change, so that an interrupted use is noticed.
//
// Threads: mark_unclean(), marked_unclean() and what follows them up to is_in_file() are safe from any
// thread, and take no other lock. The rest belongs to the code that opens and closes the disk.
// Ownership: borrows the file.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include <tl/expected.hpp>

#include "transports/emulated/file.h"
#include "transports/emulated/format.h"

namespace zonebridge::emulated {

/// Reads the superblock; the error names `path`.
[[nodiscard]] tl::expected<FoundSuperblock, Error> read_superblock(File& file,
                                                                   const std::string& path);

class SuperblockPair {
  public:
    SuperblockPair(File& file, const FoundSuperblock& found)
        : file_(file),
          newest_(found.superblock),
          both_good_(found.both_good),
          marked_unclean_(!found.superblock.clean),
          live_(found.superblock.live) {}

    /// Uuid and shape never change.
    [[nodiscard]] const Superblock& newest() const noexcept { return newest_; }
    /// When the disk was opened, both copies were good.
    [[nodiscard]] bool both_good() const noexcept { return both_good_; }
    /// In that case, and if the newer one was clean, the whole file was durable.
    [[nodiscard]] bool trusted() const noexcept { return both_good_ && newest_.clean; }

    /// The superblock of the next use of the disk. `live`: with the live table.
    [[nodiscard]] Superblock next_use(const FileInstance& instance, bool live) const noexcept;
    /// Begins the next use, also if the last one was not closed. Requires that its state is durable. 0 or
    /// an errno.
    [[nodiscard]] int begin_use(const Superblock& next) noexcept;

    [[nodiscard]] bool marked_unclean() const noexcept { return marked_unclean_.load(); }
    /// Required before any change; writes for the first one only. 0 or an errno.
    [[nodiscard]] int mark_unclean(const Superblock& next) noexcept;
    /// Whether this use is marked as one with the live table.
    [[nodiscard]] bool marked_live() const noexcept { return live_.load(); }
    /// The live table does not count any more. 0 or an errno.
    [[nodiscard]] int drop_live() noexcept;
    /// Data could not be made durable, for this errno: the next opening must know, even if the page cache
    /// holds the data. Does what it can.
    void note_failure(int error) noexcept;
    /// Whether the file still begins with this superblock; false if it can't be read.
    [[nodiscard]] bool is_in_file() noexcept;

    /// Requires that everything is durable. 0 or an errno.
    [[nodiscard]] int mark_clean(std::uint64_t table_digest) noexcept;

  private:
    [[nodiscard]] int write(Superblock next) noexcept;

    File& file_;
    Superblock newest_;
    const bool both_good_;
    std::mutex lock_;  // held while a copy is written or compared
    std::atomic<bool> marked_unclean_;
    std::atomic<bool> live_;
};

}  // namespace zonebridge::emulated
