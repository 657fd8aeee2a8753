// The fixture of every contract test: the device, open for writing, with all zones empty.
//
// Threads: the test's own; run() gives each further thread a loop and a queue of its own.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/contract/settings.h"
#include "tests/unit/support/driver.h"
#include "transports/open.h"
#include "transports/ring.h"

namespace zonebridge {

// GoogleTest prints these values as text.
inline void PrintTo(StatusCode code, std::ostream* out) {
    *out << to_string(code);
}
inline void PrintTo(ZoneState state, std::ostream* out) {
    *out << to_string(state);
}
inline void PrintTo(Support support, std::ostream* out) {
    *out << static_cast<int>(support);
}
inline void PrintTo(const Zone& zone, std::ostream* out) {
    *out << to_string(zone.state) << " at " << zone.start << "+" << zone.length << ", capacity "
         << zone.capacity << ", pointer ";
    if (zone.write_pointer)
        *out << *zone.write_pointer;
    else
        *out << "none";
}

}  // namespace zonebridge

namespace zonebridge::contract {

using test::Bytes;
using test::Driver;
using test::pattern;

/// Whether the bytes are what a device returns for blocks that were never written: zeroes, or FFh
/// (ZNS allows both, and null_blk uses both). Old data are never allowed.
[[nodiscard]] bool is_blank(std::span<const std::uint8_t> bytes);

class Contract : public ::testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;

    // ---- The device.

    /// Opens the device, after closing it if it is open; throws std::runtime_error on failure.
    void open(bool writable = true);
    void close();
    /// Closes a device that may be gone: ignores errors.
    void forsake();

    [[nodiscard]] Transport& transport() { return *transport_; }
    [[nodiscard]] Driver& disk() { return *disk_; }
    [[nodiscard]] Ring& ring() { return *ring_; }
    [[nodiscard]] const Limits& limits() const { return transport_->limits(); }
    [[nodiscard]] const Layout& layout() const { return limits().layout; }
    [[nodiscard]] bool moves_data() const { return transport_->identity().transport != "null"; }
    [[nodiscard]] bool zoned() const { return layout().zone_count() != 0; }
    [[nodiscard]] bool appends() const { return limits().append != Support::absent; }
    [[nodiscard]] bool required() const {
        return layout().sequential_type() == ZoneType::sequential_write_required;
    }

    // ---- Sizes, all in bytes.

    /// The physical block, in which any zone can be written.
    [[nodiscard]] std::uint64_t unit() const { return limits().physical_block_size; }
    /// A few units: small enough for one write or append, and for 32 pieces to fit into a zone.
    [[nodiscard]] std::uint64_t piece() const;
    [[nodiscard]] std::uint64_t start(std::uint32_t zone) const { return layout().start_of(zone); }
    [[nodiscard]] std::uint64_t capacity(std::uint32_t zone) const {
        return layout().capacity_of(zone);
    }

    // ---- Zones.

    /// The sequential zones that are not broken.
    [[nodiscard]] const std::vector<std::uint32_t>& zones() const { return zones_; }
    /// How many of zones() may be active at once. Fewer may be open; then implicitly open zones are
    /// closed to make room.
    [[nodiscard]] std::size_t most_active() const;
    [[nodiscard]] std::vector<Zone> report() { return disk().report(layout().zone_count()); }
    [[nodiscard]] Zone zone(std::uint32_t number) { return disk().report(1, start(number)).at(0); }
    Completion act(Operation operation, std::uint32_t zone) {
        return disk().act(operation, start(zone), layout().length_of(zone));
    }
    /// Writes `length` bytes of pattern at `offset`, in as many writes as needed.
    void fill(std::uint64_t offset, std::uint64_t length, std::uint64_t stamp);
    /// Fails the test unless the range has the pattern that fill() writes.
    void expect_filled(Driver& disk, std::uint64_t offset, std::uint64_t length,
                       std::uint64_t stamp);
    /// Fails the test unless the range is blank (is_blank).
    void expect_blank(std::uint64_t offset, std::uint64_t length);
    /// The offset of a range that can be overwritten at will: none on a device with sequential
    /// zones only.
    [[nodiscard]] std::optional<std::uint64_t> random_area(std::uint64_t length) const;

    // ---- Threads.

    /// Runs `body(driver, index)` on `count` threads, each with a loop and a queue. An exception in
    /// a body fails the test.
    void run(int count, const std::function<void(Driver&, int)>& body, QueueOptions options = {});

  private:
    std::unique_ptr<Ring> ring_;
    std::unique_ptr<Transport> transport_;
    std::unique_ptr<Driver> disk_;
    std::vector<std::uint32_t> zones_;
};

/// Like Contract; skipped on a device without zones.
class ZonedContract : public Contract {
  protected:
    void SetUp() override;
};

/// Like Contract; skipped on a device that keeps no data.
class DataContract : public Contract {
  protected:
    void SetUp() override;
};

}  // namespace zonebridge::contract
