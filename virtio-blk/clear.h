// The segments of one discard or write of zeroes. All are checked before the first is carried out;
// then they run one after the other. One status covers all of them (virtio 1.3, 5.2.6).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/uio.h>
#include <variant>

#include <tl/expected.hpp>

#include "virtio-blk/config.h"
#include "virtio-blk/wire.h"
#include "zone/limits.h"
#include "zone/request.h"
#include "zone/status.h"

namespace zonebridge::virtio_blk {

class Clear {
  public:
    /// A segment that the disk's limits forbid.
    struct Refused {
        StatusCode code;
        Request request;
    };
    /// Why no segment is carried out: the answer to a malformed request, or the refused segment.
    using Fault = std::variant<RequestStatus, Refused>;

    /// No segment is left.
    void reset() noexcept { next_ = count_ = 0; }
    /// Takes the segments behind the header of `readable`. `length`: bytes of them. `operation`: a
    /// discard or a write of zeroes.
    [[nodiscard]] tl::expected<void, Fault> take(std::span<const iovec> readable,
                                                 std::uint64_t length, Operation operation,
                                                 const Limits& limits) noexcept;

    [[nodiscard]] bool done() const noexcept { return next_ == count_; }
    /// The next segment's request, without a tag. Requires !done().
    [[nodiscard]] Request next(const Limits& limits) noexcept;

  private:
    [[nodiscard]] Request request_of(const ClearSegment& segment,
                                     const Limits& limits) const noexcept;

    std::array<ClearSegment, max_clear_segments> segments_;
    Operation operation_ = Operation::discard;
    std::size_t count_ = 0;
    std::size_t next_ = 0;
};

}  // namespace zonebridge::virtio_blk
