// One read, write, flush or write of zeroes in the ring; also a file's discard.
//
// Threads: belongs to its queue's thread.
// Ownership: borrows the disk, the ring, its owner, the request's buffers and, while it has one, a
// bounce buffer.
#pragma once

#include <cstddef>
#include <span>

#include "transports/block/disk.h"
#include "transports/ring.h"
#include "zone/request.h"

namespace zonebridge::block {

class DataJob final : public Ring::Completer {
  public:
    class Owner {
      public:
        virtual void data_ended(DataJob& job) noexcept = 0;
        /// The ring has no free entry: call issue() after a turn.
        virtual void data_must_wait(DataJob& job) noexcept = 0;

      protected:
        ~Owner() = default;
    };

    DataJob(const KernelDisk& disk, Ring& ring, Owner& owner)
        : disk_(disk), ring_(ring), owner_(owner) {}

    /// Begins `request`, through `bounce` (as long as the request, or empty: directly).
    void begin(const Request& request, std::span<std::uint8_t> bounce) noexcept;
    void issue() noexcept;

    [[nodiscard]] const Request& request() const noexcept { return request_; }
    [[nodiscard]] const Status& status() const noexcept { return status_; }
    [[nodiscard]] std::span<std::uint8_t> bounce() const noexcept { return bounce_; }

  private:
    /// How a range is cleared; if the file or device can't, the next way is tried.
    enum class Way : std::uint8_t { give_back, keep, write };

    void complete(const Result& result) noexcept override;
    void complete_clear(int error) noexcept;
    [[nodiscard]] bool clears_at_once() const noexcept;
    void end(Status status) noexcept;
    [[nodiscard]] std::span<const iovec> rest() noexcept;

    const KernelDisk& disk_;
    Ring& ring_;
    Owner& owner_;
    Request request_;
    std::span<std::uint8_t> bounce_;
    iovec piece_{};  // the rest of a buffer moved in part
    std::uint64_t done_ = 0;
    unsigned retries_ = 0;
    Way way_ = Way::give_back;
    Status status_;
};

}  // namespace zonebridge::block
