// What a disk ought to hold and to allow: the plain model of zones beside the bytes themselves. It
// shares no code with the disk, and knows nothing of commands; and it makes the small disks that the
// fuzzers of requests drive.
//
// Threads: one at a time.
// Ownership: owns its zones and bytes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tests/fuzz/input.h"
#include "tests/unit/support/machine_disk.h"
#include "tests/unit/zone/plain_model.h"

namespace zonebridge::fuzz {

/// A disk of a few small zones; `input` says with which gaps, limits and block sizes.
[[nodiscard]] test::MachineDiskShape some_shape(Input& input);

class DiskOracle {
  public:
    using Zone = test::PlainModel::Zone;

    explicit DiskOracle(const test::MachineDiskShape& shape);

    // ---- What would become of a request. Offsets and lengths in bytes, lengths not 0.

    [[nodiscard]] StatusCode judge_write(std::uint64_t offset, std::uint64_t length) const;
    [[nodiscard]] StatusCode judge_read(std::uint64_t offset, std::uint64_t length) const;
    /// Whether a read lies where no front end has a reason of its own to refuse it: within the
    /// writable part of one zone.
    [[nodiscard]] bool is_plain_read(std::uint64_t offset, std::uint64_t length) const;
    [[nodiscard]] bool on_disk(std::uint64_t offset, std::uint64_t length) const {
        return offset < size_ && length <= size_ - offset;
    }

    // ---- What did.

    /// Requires that judge_write says ok.
    void write(std::uint64_t offset, std::span<const std::uint8_t> data);
    /// Whatever was there is gone, as the disk in memory shows it.
    void discard(std::uint64_t offset, std::uint64_t length);
    [[nodiscard]] std::vector<std::uint8_t> read(std::uint64_t offset, std::uint64_t length) const;
    StatusCode act(Operation operation, std::size_t zone) {
        return model_.act(operation, model_.zones[zone]);
    }
    StatusCode act_all(Operation operation) { return model_.act_all(operation); }

    /// Puts zones of the disk and of this into states that `input` chooses, with data in them.
    void begin(test::MachineDisk& disk, Input& input);
    /// The zone goes bad; nothing if the disk does not take it.
    void spoil(test::MachineDisk& disk, std::size_t zone, ZoneState state);
    /// Every zone of the disk, behind all front ends, is as it should be.
    void require_same(test::MachineDisk& disk) const;

    [[nodiscard]] const std::vector<Zone>& zones() const noexcept { return model_.zones; }
    [[nodiscard]] const Zone& zone_at(std::uint64_t offset) const {
        return model_.zones[offset / zone_size_];
    }
    /// What a report says of the write pointer, if anything; in bytes.
    [[nodiscard]] static std::optional<std::uint64_t> pointer_of(const Zone& zone);
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] const test::MachineDiskShape& shape() const noexcept { return shape_; }
    /// Whether writes have to be at the pointer.
    [[nodiscard]] bool is_required(const Zone& zone) const {
        return !zone.conventional && shape_.model == Model::host_managed;
    }

  private:
    void restore(test::MachineDisk& disk, std::size_t zone, ZoneState state, std::uint64_t written);

    test::MachineDiskShape shape_;
    std::uint64_t size_;
    std::uint64_t zone_size_;
    test::PlainModel model_;
    std::vector<std::uint8_t> bytes_;
};

/// Bytes that hardly any other stamp or position has.
void stamp(std::span<std::uint8_t> bytes, std::uint64_t with);

}  // namespace zonebridge::fuzz
