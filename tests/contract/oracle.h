// The zone state machine as the model of a device: the expected outcome of a request, and whether
// the device's report agrees with the model.
//
// Ownership: borrows the device's Limits.
#pragma once

#include <optional>
#include <span>

#include <gtest/gtest.h>

#include "zone/machine.h"
#include "zone/request.h"

namespace zonebridge::contract {

/// Devices may differ from the model in only four points:
/// - CLOSE of an open zone whose pointer is at its start may lead to closed (ZNS) instead of empty.
/// - To make room, a device may close other implicitly open zones than the model does, if the
/// number is the same. It may close one more if it then refuses the request anyway (QEMU, at the
/// active limit).
/// - At the active limit, a device may refuse with too_many_open instead of making room (null_blk).
/// - FINISH of an empty or closed zone may succeed without making room.
class Oracle {
  public:
    /// Starts with the zones that the device reports now.
    Oracle(const Limits& limits, std::span<const Zone> now);

    /// The expected completion: the code and, if it is ok or an action, the result. Applies the
    /// request to the model.
    [[nodiscard]] Completion expect(const Request& request);

    /// Whether the device may complete the last request with `code` although the model expected ok.
    /// If so, undoes the request in the model.
    [[nodiscard]] bool excuses(StatusCode code);

    /// Whether a report of all zones agrees with the model. Adopts allowed differences.
    [[nodiscard]] ::testing::AssertionResult agrees(std::span<const Zone> reported);

    [[nodiscard]] const Machine& machine() const noexcept { return *machine_; }

  private:
    [[nodiscard]] StatusCode act(const Request& request, std::uint64_t& acted);
    [[nodiscard]] bool adopt(std::span<const Zone> zones);

    const Limits& limits_;
    std::optional<Machine> machine_;
    std::optional<Machine> before_;  // before the last request
    Operation last_ = Operation::flush;
    bool refused_ = false;  // the last request, by a zone resource limit
};

/// A request with these fields.
[[nodiscard]] Request request_of(Operation operation, std::uint64_t offset, std::uint64_t length,
                                 std::span<const iovec> data = {});

}  // namespace zonebridge::contract
