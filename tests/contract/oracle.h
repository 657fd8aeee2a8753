// The zone machine beside a device: what a request should come to, and whether what the device then
// reports is that.
//
// Threads: a test's own.
// Ownership: borrows the device's Limits.
#pragma once

#include <optional>
#include <span>

#include <gtest/gtest.h>

#include "zone/machine.h"
#include "zone/request.h"

namespace zonebridge::contract {

/// Devices may differ from the machine in four things, and in no other:
/// - CLOSE of an open zone whose pointer is at its start may give closed (ZNS), not empty;
/// - where zones are closed to make room, others than the machine's may be: any implicitly open
///   ones, as long as there are as many of them; or one more, where what the room was for is then
///   refused all the same (QEMU, at the active limit);
/// - with as many zones active as may be, a device may make no room (null_blk): too_many_open;
/// - a FINISH of an empty or closed zone may do without making room.
class Oracle {
  public:
    /// Begins at what the device reports now.
    Oracle(const Limits& limits, std::span<const Zone> now);

    /// How the request ends: the code and, if it is ok or an action, the result. The machine then
    /// stands where the device should.
    [[nodiscard]] Completion expect(const Request& request);

    /// Whether the device may have ended the last request with `code` where the machine was ok; the
    /// machine then stands as before it.
    [[nodiscard]] bool excuses(StatusCode code);

    /// Whether a report of all zones is what the machine says. Takes on what differs and may.
    [[nodiscard]] ::testing::AssertionResult agrees(std::span<const Zone> reported);

    [[nodiscard]] const Machine& machine() const noexcept { return *machine_; }

  private:
    [[nodiscard]] StatusCode act(const Request& request, std::uint64_t& acted);
    [[nodiscard]] bool adopt(std::span<const Zone> zones);

    const Limits& limits_;
    std::optional<Machine> machine_;
    std::optional<Machine> before_;  // the last request
    Operation last_ = Operation::flush;
    bool refused_ = false;  // the last request, for want of resources
};

/// The pieces of a request that a test has in its hands.
[[nodiscard]] Request request_of(Operation operation, std::uint64_t offset, std::uint64_t length,
                                 std::span<const iovec> data = {});

}  // namespace zonebridge::contract
