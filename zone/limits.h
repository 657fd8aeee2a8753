// The abilities and the identity of an open device; immutable once the device is open, but for the
// size of a disk without zones (Transport::look_at_size).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/export.h"
#include "base/shared_number.h"
#include "zone/types.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// Whether the device has an ability itself, Zonebridge emulates it, or it is absent.
enum class Support : std::uint8_t { absent, emulated, native };

/// The positions of zones, and which of them are conventional. All sizes in bytes.
///
/// Zone i covers [i * zone_size, (i + 1) * zone_size); only the last may be shorter. Zone sizes
/// need not be powers of two.
class Layout {
  public:
    /// The unit of sizes, capacities and write pointers: the smallest possible logical block.
    static constexpr std::uint32_t granule = 512;
    /// A zone's write pointer is stored as 32 bits of granules: 2 TiB less one granule.
    static constexpr std::uint64_t max_zone_size = std::uint64_t{0xFFFFFFFF} * granule;
    static constexpr std::uint64_t max_zone_count = std::uint64_t{1} << 28;

    /// Why no Layout can have these numbers, in words ("zone capacity 2048 is larger than the zone
    /// size 1024"); empty if one can. Call it before making a Layout from numbers that come from a
    /// user, a file or a device.
    [[nodiscard]] static std::optional<std::string> find_fault(std::uint64_t size,
                                                               std::uint64_t zone_size,
                                                               std::uint64_t zone_capacity,
                                                               std::uint64_t conventional);

    Layout() = default;
    /// The first `conventional` zones are conventional; a disk without zones has `zone_size` 0.
    /// Requires numbers in which find_fault finds no fault.
    Layout(std::uint64_t size, std::uint64_t zone_size, std::uint64_t zone_capacity,
           std::uint32_t conventional, ZoneType sequential_type);
    /// Conventional zones anywhere: `conventional` has an element for each zone.
    Layout(std::uint64_t size, std::uint64_t zone_size, std::uint64_t zone_capacity,
           const std::vector<bool>& conventional, ZoneType sequential_type);

    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    /// Any thread may read the size meanwhile. Requires a disk without zones.
    void resize(std::uint64_t size) noexcept { size_ = size; }
    [[nodiscard]] std::uint64_t zone_size() const noexcept { return zone_size_; }
    [[nodiscard]] std::uint64_t zone_capacity() const noexcept { return zone_capacity_; }
    /// 0 on a disk without zones.
    [[nodiscard]] std::uint32_t zone_count() const noexcept { return zone_count_; }
    [[nodiscard]] std::uint32_t conventional_count() const noexcept { return conventional_count_; }
    [[nodiscard]] ZoneType sequential_type() const noexcept { return sequential_type_; }

    /// The zone that holds `offset`. Requires zone_size() != 0 and offset < size().
    [[nodiscard]] std::uint32_t zone_of(std::uint64_t offset) const noexcept {
        if (shift_) return static_cast<std::uint32_t>(offset >> *shift_);
        return static_cast<std::uint32_t>(offset / zone_size_);
    }
    [[nodiscard]] std::uint64_t start_of(std::uint32_t zone) const noexcept {
        return zone_size_ * zone;
    }
    [[nodiscard]] std::uint64_t length_of(std::uint32_t zone) const noexcept {
        const auto rest = size() - start_of(zone);
        return rest < zone_size_ ? rest : zone_size_;
    }
    /// Writable bytes; for a conventional zone, its length.
    [[nodiscard]] std::uint64_t capacity_of(std::uint32_t zone) const noexcept {
        const auto length = length_of(zone);
        if (is_conventional(zone)) return length;
        return length < zone_capacity_ ? length : zone_capacity_;
    }
    [[nodiscard]] bool is_conventional(std::uint32_t zone) const noexcept {
        return (conventional_[zone / 64] >> (zone % 64) & 1) != 0;
    }
    [[nodiscard]] ZoneType type_of(std::uint32_t zone) const noexcept {
        return is_conventional(zone) ? ZoneType::conventional : sequential_type_;
    }
    [[nodiscard]] bool is_required(std::uint32_t zone) const noexcept {
        return type_of(zone) == ZoneType::sequential_write_required;
    }

  private:
    SharedNumber size_ = 0;
    std::uint64_t zone_size_ = 0;
    std::uint64_t zone_capacity_ = 0;
    std::uint32_t zone_count_ = 0;
    std::uint32_t conventional_count_ = 0;
    ZoneType sequential_type_ = ZoneType::sequential_write_required;
    std::optional<std::uint8_t> shift_;        // log2(zone_size_) where it is a power of two
    std::vector<std::uint64_t> conventional_;  // one bit for each zone
};

struct Limits {
    Model model = Model::none;
    Layout layout;

    std::uint32_t logical_block_size = 512;
    /// Also the write granularity of sequential write required zones.
    std::uint32_t physical_block_size = 512;

    std::uint64_t max_transfer = 0;  ///< Bytes that one read or write transfers at once.
    std::uint32_t max_segments = 0;  ///< Buffers in one request.
    /// Reads and writes may be longer than max_transfer, up to `longest`, and have more buffers than
    /// max_segments: they are carried out in pieces. One that fails may have been carried out in
    /// part.
    bool any_length = false;
    /// The longest request of known drivers: EDK2 reads a file in one piece.
    static constexpr std::uint64_t longest = std::uint64_t{1} << 30;
    std::uint64_t max_append = 0;  ///< Bytes in one append; 0 where append is absent.

    /// The most sequential write required zones that may be open, and active (open or closed), at
    /// once. Absent: no limit. They do not limit sequential write preferred zones, whose writes are
    /// never refused for lack of resources: for those they are the recommended number (ZBC-2, VPD
    /// page B6h).
    std::optional<std::uint32_t> max_open;
    std::optional<std::uint32_t> max_active;

    Support append = Support::absent;
    Support fua = Support::absent;
    bool reads_past_pointer = true;  ///< Reads beyond the write pointer succeed (blank).
    bool reads_across_zones = true;  ///< One read may span zones.
    bool read_only = false;          ///< Opened for reading only.
    /// Actions with Scope::all that the device carries out itself. The others are made of actions on
    /// single zones (layers/all_zones): a disk from transports/open has them all.
    ZoneActions native_all;

    /// The most bytes of one discard, and of one write of zeroes; absent: the disk has no such
    /// operation. Always absent on a host-managed disk, whose zones are reset instead.
    std::optional<std::uint64_t> max_discard;
    std::optional<std::uint64_t> max_write_zeroes;
    /// Discards should begin and end at multiples of this, in bytes; the disk may ignore smaller
    /// parts. At least a logical block if the disk has discards, otherwise 0.
    std::uint32_t discard_granularity = 0;
    bool write_zeroes_unmaps = false;  ///< A write of zeroes with may_unmap may free space.

    [[nodiscard]] std::uint64_t size() const noexcept { return layout.size(); }
    /// Bytes in one read or write, transferred at once or in pieces.
    [[nodiscard]] std::uint64_t longest_request() const noexcept {
        return any_length && max_transfer < longest ? longest : max_transfer;
    }
};

/// How the device identifies itself, and how it was reached.
struct Identity {
    std::string vendor;
    std::string product;
    std::string revision;
    std::string serial;
    std::string path;       ///< As the user named it, without the transport's prefix.
    std::string transport;  ///< "emulated", "null", "block", "scsi", "nvme".
    std::string reason;     ///< Why this transport was chosen.
    std::string data_path;  ///< How data is sent ("SG_IO", "io_uring commands"); may be empty.
    std::string notice;  ///< A remark for the user ("shows the last flushed state"); often empty.
    /// Stable over re-opening; no two disks have the same number.
    std::uint64_t unique_id = 0;
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
