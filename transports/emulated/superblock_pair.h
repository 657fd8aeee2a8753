// The two copies of the superblock in an open disk's file, and the mark that the disk is in use.
// The mark is on disk before the first change, so that an interrupted use is noticed.
//
// Threads: mark_unclean() and marked_unclean() are safe from any thread, and take no other lock.
// The rest belongs to the code that opens and closes the disk.
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
          trusted_(found.both_good && found.superblock.clean),
          marked_unclean_(!found.superblock.clean) {}

    /// Uuid and shape never change.
    [[nodiscard]] const Superblock& newest() const noexcept { return newest_; }
    /// When the disk was opened both copies were good, and the newer one was clean: the whole file was
    /// durable.
    [[nodiscard]] bool trusted() const noexcept { return trusted_; }

    [[nodiscard]] bool marked_unclean() const noexcept { return marked_unclean_.load(); }
    /// Required before any change; writes for the first one only. 0 or an errno.
    [[nodiscard]] int mark_unclean() noexcept;
    /// Requires that everything is durable. 0 or an errno.
    [[nodiscard]] int mark_clean(std::uint64_t table_digest) noexcept;

  private:
    [[nodiscard]] int write(Superblock next) noexcept;

    File& file_;
    Superblock newest_;
    const bool trusted_;
    std::mutex lock_;  // held while the first change's mark is written
    std::atomic<bool> marked_unclean_;
};

}  // namespace zonebridge::emulated
