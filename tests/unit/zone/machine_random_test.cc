// The state machine and the plain model get the same random calls and are compared after each.
#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "base/size.h"
#include "tests/unit/zone/plain_model.h"
#include "tests/unit/zone/support.h"
#include "zone/machine.h"

namespace zonebridge {
namespace {

using test::Disk;
using test::PlainModel;
using test::preferred;
using Code = StatusCode;
using enum ZoneState;

/// Makes the same calls on both. Compares their whole state, and the changes that were announced.
class Comparison : public Machine::Observer {
  public:
    Comparison(const Disk& disk, unsigned seed)
        : limits_(test::limits_of(disk)), machine_(limits_, this), plain_(disk), random_(seed) {}

    void zone_changed(std::uint32_t zone) noexcept override { announced_.push_back(zone); }

    void step() {
        announced_.clear();
        before_ = plain_.zones;
        auto silent = false;
        switch (random_() % 16) {
            case 0:
            case 1:
            case 2:
            case 3:
            case 4:
            case 5:
                write();
                break;
            case 6:
            case 7:
                append();
                break;
            case 8:
                advance_pending();
                break;
            case 9:
            case 10:
            case 11:
            case 12:
            case 13: {
                auto& zone = any();
                const auto operation = action();
                ASSERT_EQ(machine_.act(operation, index(zone)), plain_.act(operation, zone))
                    << to_string(operation);
                break;
            }
            case 14:
                if (random_() % 4 == 0) {
                    const auto operation = action();
                    ASSERT_EQ(machine_.act_all(operation), plain_.act_all(operation))
                        << to_string(operation);
                }
                break;
            case 15:
                if (random_() % 2 == 0) restore();
                silent = true;
                break;
        }
        compare(silent);
    }

  private:
    std::uint32_t index(const PlainModel::Zone& zone) const {
        return static_cast<std::uint32_t>(&zone - plain_.zones.data());
    }
    PlainModel::Zone& any() { return plain_.zones[random_() % plain_.zones.size()]; }
    Operation action() {
        constexpr Operation actions[] = {Operation::open, Operation::close, Operation::finish,
                                         Operation::reset};
        return actions[random_() % 4];
    }

    void write() {
        auto& zone = any();
        const auto misplaced = random_() % 8 == 0;
        auto at = misplaced || zone.conventional ? random_() % (zone.capacity / 4096) * 4096
                                                 : zone.written;
        if (at >= zone.capacity) at = 0;
        const auto rest = zone.capacity - at;
        auto length = random_() % 3 == 0 ? rest : std::min<std::uint64_t>(rest, 4096);
        const auto end = zone.start + zone.length;
        if (plain_.preferred() && zone.capacity == zone.length && random_() % 4 == 0)
            length = std::min(end + 80 * KiB, limits_.size()) - (zone.start + at);  // spans zones
        begin(zone.start + at, length);
    }

    void begin(std::uint64_t offset, std::uint64_t length) {
        const auto code = machine_.begin_write(offset, length);
        ASSERT_EQ(code, plain_.begin_write(offset, length)) << offset << '+' << length;
        if (code != Code::ok) return;
        if (random_() % 8 == 0)
            pending_.push_back({offset, length});  // advances later, or never
        else
            both_advance(offset, random_() % 8 == 0 ? 4096 : length);
    }

    void append() {
        auto& zone = any();
        const auto length = 4096 * (1 + random_() % 6);
        const auto where = machine_.begin_append(zone.start, length);
        if (where) {
            ASSERT_EQ(*where, zone.start + zone.written);
            ASSERT_LE(zone.written + length, zone.capacity);
            ASSERT_EQ(plain_.begin_write(*where, length), Code::ok);
            both_advance(*where, length);
            return;
        }
        if (where.error() == Code::not_sequential) {
            ASSERT_EQ(zone.state, not_write_pointer);
        } else if (where.error() == Code::crosses_boundary) {
            ASSERT_GT(zone.written + length, zone.capacity);
            ASSERT_TRUE(zone.state == empty || PlainModel::is_active(zone));
        } else if (where.error() == Code::zone_full) {
            ASSERT_EQ(zone.state, full);
        } else if (where.error() == Code::zone_read_only) {
            ASSERT_EQ(zone.state, read_only);
        } else if (where.error() == Code::zone_offline) {
            ASSERT_EQ(zone.state, offline);
        } else {
            ASSERT_EQ(plain_.begin_write(zone.start + zone.written, length), where.error());
        }
    }

    void advance_pending() {
        if (pending_.empty()) return;
        const auto [offset, length] = pending_.back();
        pending_.pop_back();
        both_advance(offset, length);
    }

    void both_advance(std::uint64_t offset, std::uint64_t length) {
        machine_.advance(offset, length);
        plain_.advance(offset, length);
    }

    void restore() {
        constexpr ZoneState states[] = {empty, implicit_open, explicit_open, closed,
                                        full,  read_only,     offline,       not_write_pointer};
        auto& zone = any();
        const auto state = states[random_() % 8];
        const auto written =
            state == empty || zone.conventional ? 0 : random_() % (zone.capacity / 4096) * 4096;
        const auto sequential = state != not_write_pointer;
        const auto fits =
            zone.conventional ? !sequential || state == read_only || state == offline : sequential;
        auto after = plain_;
        after.restore(after.zones[index(zone)], state, written);
        const auto open = after.count(implicit_open) + after.count(explicit_open);
        const auto within =
            plain_.preferred() ||
            ((!limits_.max_open || open <= *limits_.max_open) &&
             (!limits_.max_active || open + after.count(closed) <= *limits_.max_active));
        ASSERT_EQ(machine_.restore(index(zone), state, written), fits && within);
        if (fits && within) plain_ = after;
    }

    void compare(bool silent) {
        std::vector<Zone> reported(plain_.zones.size() + 1);
        ASSERT_EQ(machine_.report(0, reported), plain_.zones.size());
        std::vector<std::uint32_t> changed;
        for (std::uint32_t zone = 0; zone < plain_.zones.size(); ++zone) {
            const auto& expected = plain_.zones[zone];
            const auto& seen = reported[zone];
            ASSERT_EQ(to_string(seen.state), to_string(expected.state)) << zone;
            const auto has_pointer = expected.state == empty || PlainModel::is_active(expected);
            ASSERT_EQ(seen.write_pointer, has_pointer
                                              ? std::optional(expected.start + expected.written)
                                              : std::nullopt);
            ASSERT_EQ(seen.start, expected.start);
            ASSERT_EQ(seen.length, expected.length);
            ASSERT_EQ(seen.capacity, expected.capacity);
            ASSERT_EQ(
                machine_.written_end(zone),
                expected.start + (expected.conventional ? expected.length : expected.written));
            if (before_[zone].state != expected.state || before_[zone].written != expected.written)
                changed.push_back(zone);
        }
        const auto open = plain_.count(implicit_open) + plain_.count(explicit_open);
        ASSERT_EQ(machine_.open_count(), open);
        ASSERT_EQ(machine_.active_count(), open + plain_.count(closed));
        if (limits_.max_open && !plain_.preferred()) {
            ASSERT_LE(open, *limits_.max_open);
        }

        // Opening a zone and advancing its pointer are two changes, so the zone may be announced
        // twice.
        std::sort(announced_.begin(), announced_.end());
        announced_.erase(std::unique(announced_.begin(), announced_.end()), announced_.end());
        if (silent) changed.clear();
        ASSERT_EQ(announced_, changed) << "the observer is told of all changes and of nothing else";
    }

    Limits limits_;
    Machine machine_;
    PlainModel plain_;
    std::mt19937 random_;
    std::vector<std::uint32_t> announced_;
    std::vector<PlainModel::Zone> before_;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> pending_;
};

class MachineRandom : public testing::TestWithParam<Disk> {};

TEST_P(MachineRandom, AgreesWithThePlainModelAtEveryStep) {
    for (unsigned seed = 1; seed <= 4; ++seed) {
        Comparison comparison(GetParam(), seed);
        for (int step = 0; step < 10000; ++step) {
            comparison.step();
            ASSERT_FALSE(HasFatalFailure()) << "seed " << seed << ", step " << step;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, MachineRandom,
    testing::Values(Disk{}, Disk{.max_open = 1}, Disk{.max_open = 3, .max_active = 5},
                    Disk{.conventional = 3, .max_open = 2, .max_active = 2},
                    Disk{.zone_capacity = 48 * KiB, .max_active = 4},
                    Disk{.size = 640 * KiB - 24 * KiB, .zone_capacity = 48 * KiB, .max_open = 4},
                    Disk{.size = 40 * 24 * KiB + 12 * KiB,
                         .zone_size = 24 * KiB,
                         .zone_capacity = 24 * KiB,
                         .conventional = 1,
                         .max_open = 12,
                         .max_active = 20},
                    Disk{.max_open = 0}, Disk{.max_open = 10, .max_active = 10},
                    Disk{.conventional = 2, .type = preferred, .max_open = 2, .max_active = 3},
                    Disk{.size = 600 * KiB, .zone_capacity = 48 * KiB, .type = preferred}));

}  // namespace
}  // namespace zonebridge
