// The expected contents and zone states of a disk: the plain model of zones, and the bytes. It
// shares no code with the disk, and knows no commands. It also chooses the small disks for the
// request fuzzers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tests/fuzz/disk_bytes.h"
#include "tests/fuzz/input.h"
#include "tests/unit/support/machine_disk.h"
#include "tests/unit/zone/plain_model.h"

namespace zonebridge::fuzz {

/// The most bytes that a request has room for: a block more than any disk transfers at once.
inline constexpr std::uint64_t most_data = 36 << 10;

/// A disk of a few small zones; `input` determines gaps, limits and block sizes.
[[nodiscard]] test::MachineDiskShape some_shape(Input& input);

/// The bytes that a disk of this shape has when an input begins.
[[nodiscard]] std::vector<std::uint8_t> first_bytes(const test::MachineDiskShape& shape);
/// Takes the disk's bytes, which no longer belong to it, and undoes all changes of them.
void give_back(test::MachineDisk& disk);

class DiskOracle {
  public:
    using Zone = test::PlainModel::Zone;

    explicit DiskOracle(const test::MachineDiskShape& shape);
    ~DiskOracle();
    DiskOracle(const DiskOracle&) = delete;
    DiskOracle& operator=(const DiskOracle&) = delete;

    // ---- The expected outcome of a request. Offsets and lengths in bytes, lengths not 0.

    [[nodiscard]] StatusCode judge_write(std::uint64_t offset, std::uint64_t length) const;
    [[nodiscard]] StatusCode judge_read(std::uint64_t offset, std::uint64_t length) const;
    /// Whether a read lies within the writable part of one zone, where no front end has a reason of
    /// its own to refuse it.
    [[nodiscard]] bool is_plain_read(std::uint64_t offset, std::uint64_t length) const;
    [[nodiscard]] bool on_disk(std::uint64_t offset, std::uint64_t length) const {
        return offset < size_ && length <= size_ - offset;
    }

    // ---- The effect of a successful request.

    /// Requires that judge_write returned ok.
    void write(std::uint64_t offset, std::span<const std::uint8_t> data);
    /// Fills the range with the byte that the disk in memory shows after a discard.
    void discard(std::uint64_t offset, std::uint64_t length);
    [[nodiscard]] std::vector<std::uint8_t> read(std::uint64_t offset, std::uint64_t length) const;
    StatusCode act(Operation operation, std::size_t zone) {
        return model_.act(operation, model_.zones[zone]);
    }
    StatusCode act_all(Operation operation) { return model_.act_all(operation); }

    /// Puts the zones of the disk and of this model into states that `input` chooses. The disk has its
    /// first_bytes().
    void begin(test::MachineDisk& disk, Input& input);
    /// Makes a zone read-only or offline, if the disk supports that.
    void spoil(test::MachineDisk& disk, std::size_t zone, ZoneState state);
    /// Requires that every zone of the disk itself is in the expected state.
    void require_same(test::MachineDisk& disk) const;

    [[nodiscard]] const std::vector<Zone>& zones() const noexcept { return model_.zones; }
    [[nodiscard]] const Zone& zone_at(std::uint64_t offset) const {
        return model_.zones[offset / zone_size_];
    }
    /// The write pointer that a report has, in bytes; nothing if it has none.
    [[nodiscard]] static std::optional<std::uint64_t> pointer_of(const Zone& zone);
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] const test::MachineDiskShape& shape() const noexcept { return shape_; }
    /// Whether writes must start at the pointer.
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
    std::vector<ByteRange> changed_;  // of bytes_
};

}  // namespace zonebridge::fuzz
