// One read: data in the page cache is copied at once, the rest is read through the ring, so that a
// slow disk does not delay the thread's other guests.
//
// Threads: belongs to its queue's thread.
// Ownership: borrows the disk, the ring, its owner and the request's buffers until it ends.
#pragma once

#include <array>
#include <cstdint>
#include <sys/uio.h>

#include "base/iovec.h"
#include "transports/emulated/disk.h"
#include "transports/ring.h"
#include "zone/request.h"

namespace zonebridge::emulated {

class ReadJob final : public Ring::Completer {
  public:
    /// Notified when a read that had to wait ends.
    class Owner {
      public:
        virtual void read_ended(ReadJob& job) noexcept = 0;

      protected:
        ~Owner() = default;
    };

    ReadJob(Disk& disk, Ring* ring, Owner& owner) : disk_(disk), ring_(ring), owner_(owner) {}

    /// True if it has ended; otherwise the owner is notified.
    [[nodiscard]] bool begin(const Request& request) noexcept;

    [[nodiscard]] std::uint64_t tag() const noexcept { return request_.tag; }
    [[nodiscard]] Status status() const noexcept { return status_; }

    void complete(const Result& result) noexcept override;

  private:
    [[nodiscard]] bool proceed() noexcept;
    [[nodiscard]] bool find_next() noexcept;
    void fill_zeroes() noexcept;
    void take(File::Moved moved) noexcept;
    void read_under_lock() noexcept;
    void fail(int error) noexcept;

    Disk& disk_;
    Ring* ring_;
    Owner& owner_;
    Request request_;
    Status status_;
    std::uint64_t done_ = 0;
    std::uint32_t retries_ = 0;

    // The piece being read.
    Disk::Extent extent_;
    std::uint64_t epoch_ = 0;
    std::array<iovec, 64> pieces_;
    IovecCursor::Slice slice_;  // of the request's buffers: the destination of the extent; in
                                // pieces_
};

}  // namespace zonebridge::emulated
