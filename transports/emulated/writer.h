// One queue's writer: joins contiguous writes into one call.
//
// Threads: belongs to its queue's thread.
// Ownership: borrows the disk; owns its scratch space, all allocated at construction.
//
// The kernel takes the data directly from the guest's buffers, which this process never touches
// itself: memory that has gone away yields EFAULT, and a guest that changes a buffer during the
// write harms only that block. The data to be hashed is therefore read back from the file.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "transports/emulated/disk.h"
#include "zone/request.h"

namespace zonebridge::emulated {

class Writer {
  public:
    struct Outcome {
        Status status;
        Disk::Grant::Wait wait = Disk::Grant::Wait::nothing;  ///< Not done: try again after this.
        std::uint64_t result = 0;
    };

    explicit Writer(Disk& disk);

    /// Does the first of `batch`, a write, an append or a write of zeroes, and the requests after
    /// it that continue it; returns the number of `outcomes` filled in. `may_wait`: if the host
    /// file system is full, wait for space that is about to be freed.
    [[nodiscard]] std::size_t write(std::span<const Request> batch, std::span<Outcome> outcomes,
                                    bool may_wait) noexcept;
    /// Does a discard that touches sequential write preferred zones.
    [[nodiscard]] Status discard(const Request& request) noexcept;

  private:
    struct Put {
        std::uint64_t bytes = 0;
        int error = 0;
    };
    [[nodiscard]] bool spans(const Request& request) const noexcept;
    [[nodiscard]] std::uint64_t end_of_stretch(std::uint64_t offset) const noexcept;
    [[nodiscard]] Outcome write_pieces(const Request& request, bool may_wait) noexcept;
    [[nodiscard]] Status write_plain(const Request& request) noexcept;
    [[nodiscard]] std::size_t gather(std::span<const Request> batch, std::uint32_t zone,
                                     std::uint64_t offset) noexcept;
    [[nodiscard]] Put put(std::uint64_t file_at) noexcept;
    [[nodiscard]] Put put_zeroes(const Request& request, std::uint64_t file_at) noexcept;
    /// 0 or an errno.
    [[nodiscard]] int grow_to(std::uint64_t end) noexcept;
    [[nodiscard]] Put read_back(std::uint64_t file_at, std::uint64_t position, std::uint64_t length,
                                std::uint64_t& hash) noexcept;

    Disk& disk_;
    std::vector<iovec> buffers_;
    std::vector<iovec> piece_buffers_;
    std::vector<std::uint8_t> readback_;
};

/// The status for a failed write to the host's file.
[[nodiscard]] Status status_of_write(int error) noexcept;
/// The status of a request whose commit failed with this errno.
[[nodiscard]] Status status_of_commit(int error) noexcept;
/// The same as status_of_write for the result of Disk::clear, which may be 0.
[[nodiscard]] Status status_of_clear(int error) noexcept;

}  // namespace zonebridge::emulated
