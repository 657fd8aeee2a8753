// The drivers of other systems, as tests/driver/profile describes them, on a served disk: attach, read
// and write from 512 bytes to 32 MiB, flush, reset, detach.

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/driver/profile.h"
#include "tests/served/blk_guest.h"

namespace zonebridge::driver {
void PrintTo(const Profile& profile, std::ostream* out) {
    *out << profile.name;
}
}  // namespace zonebridge::driver

namespace zonebridge::test {
namespace {

using driver::Profile;
using driver::ProfiledQueue;
using Bytes = std::vector<std::byte>;

constexpr std::uint64_t memory_size = 64ull << 20;
constexpr std::size_t largest = 32 << 20;
constexpr std::array<std::size_t, 6> sizes{512, 4096, 65536, 512 << 10, 1 << 20, (4 << 20) + 512};

/// `size` bytes that differ for each seed below 64.
std::span<const std::byte> data_of(std::size_t size, std::size_t seed) {
    static const auto all = bytes_of(largest + 64 * 512, 1);
    return std::span(all).subspan(seed * 512, size);
}

/// The profile's driver from attach to detach.
class Driven {
  public:
    Driven(const ServedDisk& served, const Profile& profile)
        : profile_(profile), front_end_(must(driver::Connection::to(served.socket()))) {
        must(memory_.add(0, memory_size));
        negotiate();
    }

    /// As a driver that resets the device, or a system that starts after the firmware.
    void restart() {
        for (std::uint16_t index = 0; index <= first(); ++index)
            if (index == first() || profile_.other_queues) (void)must(front_end_.stop(index));
        memory_.reset();
        negotiate();
    }

    void write(std::uint64_t offset, std::span<const std::byte> data) {
        for (std::size_t at = 0; at < data.size(); at += profile_.most_transfer) {
            const auto length = std::min<std::size_t>(profile_.most_transfer, data.size() - at);
            run(true, offset + at, data.subspan(at, length), {});
        }
    }
    Bytes read(std::uint64_t offset, std::size_t size) {
        Bytes data(size);
        for (std::size_t at = 0; at < size; at += profile_.most_transfer) {
            const auto length = std::min<std::size_t>(profile_.most_transfer, size - at);
            run(false, offset + at, {}, std::span(data).subspan(at, length));
        }
        return data;
    }
    /// virtio-blk: GET_ID and FLUSH, which some drivers send without having accepted it.
    void identify_and_flush() {
        if (profile_.kind == Profile::Kind::scsi) return;
        Bytes id(20);
        must_be_ok(must(queue_->run(blk::header(blk::get_id, 0), {}, id, 1)));
        EXPECT_NE(id.front(), std::byte{0xEE});
        must_be_ok(must(queue_->run(blk::header(blk::flush, 0), {}, {}, 1)));
    }

  private:
    [[nodiscard]] std::uint16_t first() const {
        return profile_.kind == Profile::Kind::scsi ? 2 : 0;
    }

    void negotiate() {
        if (!std::exchange(negotiated_, true)) {
            must(front_end_.negotiate(
                {.features = profile_.features | driver::bit::protocol_features,
                 .protocol_features =
                     driver::bit::p_mq | driver::bit::p_reply_ack | driver::bit::p_config}));
            must(front_end_.share(memory_));
        }
        for (std::uint16_t index = 0; index < first(); ++index)
            if (profile_.other_queues)
                (void)must(front_end_.start_queue(index, memory_, {.size = profile_.ring}));
        queue_ = must(ProfiledQueue::start(profile_, front_end_, memory_, first()));
        if (profile_.kind == Profile::Kind::scsi) {
            // TEST UNIT READY: the first gets the unit attention of power on.
            (void)command(std::array<std::uint8_t, 6>{}, {}, {});
            EXPECT_EQ(command(std::array<std::uint8_t, 6>{}, {}, {}), 0);
        }
    }

    void run(bool writes, std::uint64_t offset, std::span<const std::byte> out,
             std::span<std::byte> in) {
        const auto sector = offset / 512;
        if (profile_.kind == Profile::Kind::blk) {
            auto header = blk::header(writes ? blk::out : blk::in, sector);
            std::memcpy(header.data() + 4, &profile_.ioprio, 4);
            return must_be_ok(must(queue_->run(header, out, in, 1)));
        }
        const auto blocks = static_cast<std::uint32_t>((out.size() + in.size()) / 512);
        const auto cdb = driver::cdb16(writes ? 0x8A : 0x88, 0, sector, blocks);
        ASSERT_EQ(command(cdb, out, in), 0) << "sector " << sector << ", " << blocks << " blocks";
    }

    static void must_be_ok(const Bytes& status) { ASSERT_EQ(int(status.at(0)), int{blk::ok}); }

    /// Returns the SCSI status; -1 if virtio-scsi's response is not OK.
    int command(std::span<const std::uint8_t> cdb, std::span<const std::byte> out,
                std::span<std::byte> in) {
        std::array<std::byte, 51> head{};
        head[0] = std::byte{1};
        if (!profile_.flat_lun) head[2] = std::byte{0x40};
        std::memcpy(head.data() + 19, cdb.data(), cdb.size());
        const auto response = must(queue_->run(head, out, in, 108));
        return response[11] == std::byte{0} ? int(response[10]) : -1;
    }

    const Profile& profile_;
    driver::SharedMemory memory_;
    driver::FrontEnd front_end_;
    std::optional<ProfiledQueue> queue_;
    bool negotiated_ = false;
};

class Profiles : public testing::TestWithParam<Profile> {};

TEST_P(Profiles, AttachReadWriteResetDetach) {
    const auto& profile = GetParam();
    ServedDisk served({}, profile.kind == Profile::Kind::scsi ? "scsi" : "blk",
                      {"--size", "64M", "--model", "none"}, ServedDisk::Log::kept);
    const auto same = [](const Bytes& found, std::span<const std::byte> expected) {
        return std::equal(found.begin(), found.end(), expected.begin(), expected.end());
    };
    std::vector<std::size_t> all(sizes.begin(), sizes.end());
    // Thousands of requests would show no more than some.
    std::erase_if(all, [&](auto size) { return size / profile.most_transfer > 256; });
    if (profile.most_transfer >= 1 << 20) all.push_back(largest);
    {
        Driven driven(served, profile);
        for (std::size_t i = 0; i < all.size(); ++i) {
            SCOPED_TRACE(all[i]);
            driven.write(512, data_of(all[i], i));
            if (HasFatalFailure()) return;
            ASSERT_TRUE(same(driven.read(512, all[i]), data_of(all[i], i)));
        }
        driven.identify_and_flush();
        driven.restart();
        EXPECT_TRUE(same(driven.read(512, all.back()), data_of(all.back(), all.size() - 1)));
    }
    // The next driver finds the device as the first one did.
    Driven next(served, profile);
    EXPECT_TRUE(same(next.read(512, 512), data_of(512, all.size() - 1)));
    EXPECT_EQ(served.stop(), 0);
    EXPECT_EQ(served.log().find(": ended: "), std::string::npos) << served.log();
}

INSTANTIATE_TEST_SUITE_P(All, Profiles,
                         testing::ValuesIn(driver::profiles().begin(), driver::profiles().end()),
                         [](const auto& info) {
                             return std::string(info.param.kind == Profile::Kind::scsi ? "Scsi"
                                                                                       : "Blk") +
                                    std::string(info.param.name);
                         });

}  // namespace
}  // namespace zonebridge::test
