// One discard or write of zeroes outside sequential zones. It goes through the ring, because a file
// system may wait for its disk, and that must not delay the thread's other guests.
//
// Threads: belongs to its queue's thread.
// Ownership: borrows the disk, the ring and its owner.
#pragma once

#include <cstdint>

#include "transports/emulated/disk.h"
#include "transports/ring.h"
#include "zone/request.h"

namespace zonebridge::emulated {

class ClearJob final : public Ring::Completer {
  public:
    /// Notified when a job that had to wait ends.
    class Owner {
      public:
        virtual void clear_ended(ClearJob& job) noexcept = 0;

      protected:
        ~Owner() = default;
    };

    ClearJob(Disk& disk, Ring* ring, Owner& owner) : disk_(disk), ring_(ring), owner_(owner) {}

    /// True if it has ended; otherwise the owner is notified. Requires a range that is wholly plain
    /// (Disk::is_plain).
    [[nodiscard]] bool begin(const Request& request) noexcept;

    [[nodiscard]] std::uint64_t tag() const noexcept { return request_.tag; }
    [[nodiscard]] Status status() const noexcept { return status_; }

    void complete(const Result& result) noexcept override;

  private:
    void clear_here() noexcept;
    void end(int error) noexcept;

    Disk& disk_;
    Ring* ring_;
    Owner& owner_;
    Request request_;
    Status status_;
};

}  // namespace zonebridge::emulated
