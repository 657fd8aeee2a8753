// The virtio-scsi device that the fuzzer of descriptor chains drives, made so that an input takes little
// time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "tests/unit/support/hand_loop.h"
#include "virtio-scsi/controller.h"
#include "zbc/logical_unit.h"

namespace zonebridge::fuzz {

/// A unit with queues of little depth: making deep ones takes longer than an input, and these are full at
/// times.
class ShallowUnit final : public zbc::LogicalUnit {
  public:
    ShallowUnit(zbc::LogicalUnit& unit, std::size_t depth) : unit_(&unit), depth_(depth) {}

    [[nodiscard]] zbc::TransferLimits transfer_limits() const noexcept override {
        return unit_->transfer_limits();
    }
    [[nodiscard]] tl::expected<std::unique_ptr<zbc::TaskQueue>, Error> open_queue(
        Loop& loop, std::size_t depth) override {
        return unit_->open_queue(loop, std::min(depth, depth_));
    }
    void reset() noexcept override { unit_->reset(); }
    void raise(zbc::Attention attention) noexcept override { unit_->raise(attention); }

  private:
    zbc::LogicalUnit* unit_;
    std::size_t depth_;
};

/// The program's only controller, without units between two inputs: it is so large that making one takes
/// longer than an input.
struct OnlyController {
    test::HandLoop loop;
    std::unique_ptr<virtio_scsi::Controller> controller =
        std::move(virtio_scsi::Controller::open(loop, {}).value());

    [[nodiscard]] static OnlyController& get() {
        static OnlyController only;
        return only;
    }
};

}  // namespace zonebridge::fuzz
