// What an open device can do, and who it says it is: immutable once the device is open.
//
// Threads: immutable values; any thread may read them.
// Ownership: owns its strings and its map of conventional zones; nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/export.h"
#include "zone/types.h"

ZONEBRIDGE_BEGIN_PUBLIC
namespace zonebridge {

/// Whether an ability is the device's own, made up here, or not there at all.
enum class Support : std::uint8_t { absent, emulated, native };

/// Where zones lie and which of them are conventional. All sizes in bytes.
///
/// Zone i covers [i * zone_size, (i + 1) * zone_size); only the last may be shorter. Zone sizes
/// need not be powers of two.
class Layout {
  public:
    /// The unit of sizes, capacities and write pointers: the smallest logical block there is.
    static constexpr std::uint32_t granule = 512;
    /// A zone's write pointer is kept as 32 bits of granules: 2 TiB less one granule.
    static constexpr std::uint64_t max_zone_size = std::uint64_t{0xFFFFFFFF} * granule;
    static constexpr std::uint64_t max_zone_count = std::uint64_t{1} << 28;

    /// What about these numbers no Layout can be made of, in words ("zone capacity 2048 is larger
    /// than the zone size 1024"); empty if one can. Ask before making one from what a user, a file
    /// or a device says.
    [[nodiscard]] static std::optional<std::string> find_fault(std::uint64_t size,
                                                               std::uint64_t zone_size,
                                                               std::uint64_t zone_capacity,
                                                               std::uint64_t conventional);

    Layout() = default;
    /// `conventional` leading conventional zones; a disk without zones has `zone_size` 0.
    /// Requires numbers in which find_fault finds none.
    Layout(std::uint64_t size, std::uint64_t zone_size, std::uint64_t zone_capacity,
           std::uint32_t conventional, ZoneType sequential_type);
    /// Conventional zones anywhere: `conventional` says which, a place for each zone.
    Layout(std::uint64_t size, std::uint64_t zone_size, std::uint64_t zone_capacity,
           const std::vector<bool>& conventional, ZoneType sequential_type);

    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
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
        const auto rest = size_ - start_of(zone);
        return rest < zone_size_ ? rest : zone_size_;
    }
    /// Writable bytes; a conventional zone's is its length.
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
    std::uint64_t size_ = 0;
    std::uint64_t zone_size_ = 0;
    std::uint64_t zone_capacity_ = 0;
    std::uint32_t zone_count_ = 0;
    std::uint32_t conventional_count_ = 0;
    ZoneType sequential_type_ = ZoneType::sequential_write_required;
    std::optional<std::uint8_t> shift_;        // log2(zone_size_) where it is a power of two
    std::vector<std::uint64_t> conventional_;  // one bit a zone
};

struct Limits {
    Model model = Model::none;
    Layout layout;

    std::uint32_t logical_block_size = 512;
    /// Also the write granularity of sequential write required zones.
    std::uint32_t physical_block_size = 512;

    std::uint64_t max_transfer = 0;  ///< Bytes in one read or write.
    std::uint32_t max_segments = 0;  ///< Buffers in one request.
    std::uint64_t max_append = 0;    ///< Bytes in one append; 0 where append is absent.

    /// Sequential write required zones that may be open, and active (open or closed), at once.
    /// Absent: no limit. They do not bind sequential write preferred zones, whose writes are never
    /// refused for want of resources: there they are what a host is told works best (ZBC-2, VPD
    /// page B6h).
    std::optional<std::uint32_t> max_open;
    std::optional<std::uint32_t> max_active;

    Support append = Support::absent;
    Support fua = Support::absent;
    bool reads_past_pointer = true;  ///< Reads beyond the write pointer succeed (blank).
    bool reads_across_zones = true;  ///< One read may span zones.
    bool read_only = false;          ///< Opened for reading only.

    /// Bytes in one discard, and in one write of zeroes; absent: the disk has none. Never on a
    /// host-managed disk, whose zones are reset instead.
    std::optional<std::uint64_t> max_discard;
    std::optional<std::uint64_t> max_write_zeroes;
    /// What a discard should begin and end at, in bytes: less than such a unit may be passed over.
    /// At least a logical block where there are discards, otherwise 0.
    std::uint32_t discard_granularity = 0;
    bool write_zeroes_unmaps = false;  ///< A write of zeroes with may_unmap may give space back.

    [[nodiscard]] std::uint64_t size() const noexcept { return layout.size(); }
};

/// Who the device says it is, and how it was reached.
struct Identity {
    std::string vendor;
    std::string product;
    std::string revision;
    std::string serial;
    std::string path;       ///< As the user named it, without the transport's prefix.
    std::string transport;  ///< "emulated", "null", "block", "scsi", "nvme".
    std::string reason;     ///< Why this transport was chosen, in words.
    std::string data_path;  ///< How data gets there ("SG_IO", "io_uring commands"); may be empty.
    std::string notice;  ///< What a reader must know ("shows the last flushed state"); often empty.
    /// Stable over re-opening; the same bytes never name two disks.
    std::uint64_t unique_id = 0;
};

}  // namespace zonebridge
ZONEBRIDGE_END_PUBLIC
