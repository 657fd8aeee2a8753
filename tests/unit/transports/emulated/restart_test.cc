// The disk after its process died without closing it. While the host runs, everything that was answered
// is there; what is missing is named, and no program writes to such a disk without being told to.
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "tests/unit/transports/emulated/faulty_file.h"
#include "tests/unit/transports/emulated/support.h"
#include "transports/emulated/disk.h"
#include "transports/emulated/queue.h"
#include "transports/emulated/table_sector.h"

namespace zonebridge::emulated {
namespace {

class RestartedDisk : public DiskInFaultyFile {
  protected:
    // No commit but those that a test asks for.
    RestartedDisk() { usual_.idle_commit.reset(); }

    void write(std::uint64_t zone, std::uint64_t seed, std::uint64_t from = 0) {
        ASSERT_TRUE(driver_->write(zone * zone_size + from, pattern(seed, 8192)).ok());
    }
    void act(Operation operation, std::uint64_t zone) {
        ASSERT_TRUE(driver_->act(operation, zone * zone_size, zone_size).status.ok());
    }
    Zone zone(std::uint64_t number) { return driver_->report(1, number * zone_size).at(0); }
    std::uint64_t pointer(std::uint64_t number) {
        return *zone(number).write_pointer - number * zone_size;
    }
    void overwrite(std::uint64_t at, const Bytes& bytes) {
        const UniqueFd file(::open(path_.c_str(), O_WRONLY));
        ASSERT_EQ(::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(at)),
                  static_cast<ssize_t>(bytes.size()));
    }
    /// Opening for writing is refused with these words and changes nothing; reading gives a notice.
    void expect_loss(const std::string& words) {
        const auto before = contents();
        const auto message = try_to_open({.writable = true});
        EXPECT_NE(message.find(words), std::string::npos) << message;
        EXPECT_NE(message.find("--accept-loss"), std::string::npos) << message;
        EXPECT_EQ(contents(), before);
        open({.writable = false});
        EXPECT_NE(disk_->missing().find(words), std::string::npos) << disk_->missing();
        kill();
    }
    Bytes contents() const {
        std::ifstream in(path_, std::ios::binary);
        return Bytes(std::istreambuf_iterator<char>(in), {});
    }

    const Geometry geometry_{small_shape()};
};

TEST_F(RestartedDisk, HasEverythingThatWasAnswered) {
    write(2, 1);
    write(3, 2);
    write(4, 3);
    ASSERT_TRUE(driver_->flush().ok());
    write(2, 4, 8192);         // after the flush
    act(Operation::reset, 3);  // of flushed data
    act(Operation::reset, 4);  // and written again
    write(4, 5);
    act(Operation::finish, 5);  // without data
    write(6, 6);
    act(Operation::finish, 6);
    act(Operation::open, 7);
    ASSERT_TRUE(driver_->write(0, pattern(7, 4096)).ok());
    for (int restarts = 0; restarts < 3; ++restarts) {
        kill();
        if (restarts != 1) {
            // Before and after the restart that saves the live table's records.
            open({.writable = false});
            EXPECT_EQ(disk_->missing(), "");
        } else {
            open();
        }
        EXPECT_EQ(pointer(2), 16384U);
        EXPECT_EQ(driver_->read(2 * zone_size + 8192, 8192), pattern(4, 8192));
        EXPECT_EQ(zone(2).state, ZoneState::implicit_open);
        EXPECT_EQ(zone(3).state, ZoneState::empty);
        EXPECT_EQ(driver_->read(4 * zone_size, 8192), pattern(5, 8192));
        EXPECT_EQ(zone(5).state, ZoneState::full);
        EXPECT_EQ(zone(6).state, ZoneState::full);
        EXPECT_EQ(driver_->read(6 * zone_size, 8192), pattern(6, 8192));
        EXPECT_EQ(zone(7).state, ZoneState::explicit_open);
        EXPECT_EQ(driver_->read(0, 4096), pattern(7, 4096));
        EXPECT_TRUE(driver_->flush().ok());
    }
    // The restart made it durable.
    kill();
    faults_.other_boot = true;
    open();
    EXPECT_EQ(pointer(2), 16384U);
    EXPECT_EQ(zone(3).state, ZoneState::empty);
    EXPECT_EQ(zone(7).state, ZoneState::empty);
}

TEST_F(RestartedDisk, HasTheStateOfTheLastFlushAfterTheHostStopped) {
    write(2, 1);
    ASSERT_TRUE(driver_->flush().ok());
    write(2, 2, 8192);
    kill();
    faults_.other_boot = true;
    open();
    EXPECT_EQ(pointer(2), 8192U);
    EXPECT_EQ(zone(2).state, ZoneState::closed);
    EXPECT_NE(disk_->missing().find("the host stopped"), std::string::npos) << disk_->missing();
}

TEST_F(RestartedDisk, OnANetworkFileSystemIsRefusedWhileAnotherHostMayUseIt) {
    write(2, 1);
    kill();
    faults_.network = true;
    open();  // this host, since when it runs
    kill();
    faults_.other_boot = true;
    expect_loss("a server may still be running there");
    open({.writable = true, .accept_loss = true});
    EXPECT_EQ(pointer(2), 8192U);
}

TEST_F(RestartedDisk, IsRefusedWithoutItsLiveTable) {
    write(2, 1);
    ASSERT_TRUE(driver_->flush().ok());
    write(2, 2, 8192);
    kill();
    overwrite(geometry_.live_offset, Bytes(geometry_.live_size));
    expect_loss("its table of live zones");
    open({.writable = true, .accept_loss = true});
    EXPECT_EQ(pointer(2), 8192U);
    kill();
    open();
    EXPECT_EQ(disk_->missing(), "");
}

TEST_F(RestartedDisk, IsRefusedAsACopy) {
    write(2, 1);
    ASSERT_TRUE(driver_->flush().ok());
    write(2, 2, 8192);
    kill();
    std::filesystem::copy_file(path_, folder_.file("copy"));
    std::filesystem::rename(folder_.file("copy"), path_);
    expect_loss("it is a copy of a disk that was not closed");
}

TEST_F(RestartedDisk, NamesDataThatIsNotOnTheMedium) {
    write(2, 1);
    ASSERT_TRUE(driver_->flush().ok());
    write(2, 2, 8192);
    write(3, 3);
    kill();
    auto damaged = pattern(2, 8192);
    damaged[5000] ^= 1;
    overwrite(geometry_.slot_offset(0) + 8192, damaged);
    expect_loss("zone 2 ends at offset 139264 instead of 147456");
    open({.writable = true, .accept_loss = true});
    EXPECT_EQ(pointer(2), 8192U);
    EXPECT_EQ(driver_->read(3 * zone_size, 8192), pattern(3, 8192));
}

TEST_F(RestartedDisk, NamesTheZoneWhoseDataIsCutOff) {
    write(2, 1);
    write(3, 2);
    kill();
    std::filesystem::resize_file(path_, geometry_.slot_offset(1) + 8191);
    expect_loss("zone 3 ends at offset 196608 instead of 204800");
}

TEST_F(RestartedDisk, NamesTheZonesOfADamagedTableSector) {
    write(2, 1);
    ASSERT_TRUE(driver_->flush().ok());
    kill();
    faults_.other_boot = true;
    for (std::uint64_t generation : {1, 2}) {
        SCOPED_TRACE(generation);
        const auto at = geometry_.table_sector(0, generation);
        const auto all = contents();
        const Bytes good(all.begin() + static_cast<long>(at),
                         all.begin() + static_cast<long>(at + sector_size));
        overwrite(at, Bytes(sector_size));
        expect_loss("one copy of zone table sector 0 is damaged: zones 0 to 14");
        overwrite(at, good);
    }
    open();
    EXPECT_EQ(pointer(2), 8192U);
    kill();
    overwrite(geometry_.table_sector(0, 1), Bytes(sector_size));
    open({.writable = true, .accept_loss = true});
    kill();
    open();
    EXPECT_EQ(disk_->missing().find("damaged"), std::string::npos) << "accepted once and for all";
}

TEST_F(RestartedDisk, NeedsOnlyOneCopyOfItsSuperblock) {
    write(2, 1);
    write(3, 2);
    kill();
    for (const std::uint64_t copy : {0, 1}) {
        SCOPED_TRACE(copy);
        overwrite(copy * page_size, Bytes(sector_size));
        open();
        EXPECT_EQ(disk_->missing(), "");
        EXPECT_EQ(pointer(2), 8192U + copy * 8192);
        write(2, 3, pointer(2));
        kill();
    }
}

TEST_F(RestartedDisk, WithoutSharedMappingsAnswersWhenTheChangeIsDurable) {
    kill();
    faults_.no_mapping = true;
    open();
    const std::uint64_t syncs = faults_.syncs;
    write(2, 1);
    write(3, 2);
    act(Operation::reset, 3);
    act(Operation::finish, 4);
    EXPECT_GE(faults_.syncs, syncs + 4);
    kill();
    open();
    EXPECT_EQ(disk_->missing(), "");
    EXPECT_EQ(pointer(2), 8192U);
    EXPECT_EQ(zone(3).state, ZoneState::empty);
    EXPECT_EQ(zone(4).state, ZoneState::full);
}

// Format 1 has no live table.
TEST_F(RestartedDisk, OfTheFirstFormatLosesNothingEither) {
    kill();
    const auto shape = small_shape();
    const Geometry first(shape, first_format_version);
    EXPECT_EQ(first.live_size, 0U);
    Bytes bytes(first.plain_offset);
    Superblock superblock;
    superblock.version = first_format_version;
    superblock.uuid[0] = 7;
    superblock.shape = shape;
    superblock.clean = true;
    superblock.file_size = bytes.size();
    for (std::uint32_t index = 0; index < first.table_sectors; ++index) {
        superblock.table_digest += digest_part(index, 1);
        for (std::uint64_t generation = 0; generation < 2; ++generation) {
            std::vector<ZoneRecord> records(index == 0 ? 15 : 1);
            if (index == 0) records[0].state = records[1].state = ZoneState::not_write_pointer;
            encode(TableSector{index, generation, 0}, records, superblock.seed(),
                   std::span<std::uint8_t, sector_size>(
                       &bytes[first.table_sector(index, generation)], sector_size));
        }
    }
    for (superblock.generation = 0; superblock.generation < 2; ++superblock.generation) {
        const auto sector = encode(superblock);
        std::copy(sector.begin(), sector.end(),
                  bytes.begin() + static_cast<long>(superblock.generation * page_size));
    }
    std::ofstream(path_, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
    open();
    write(2, 1);
    act(Operation::finish, 3);
    kill();
    open();
    EXPECT_EQ(disk_->missing(), "");
    EXPECT_EQ(driver_->read(2 * zone_size, 8192), pattern(1, 8192));
    EXPECT_EQ(zone(3).state, ZoneState::full);
    driver_.reset();
    EXPECT_TRUE(disk_->close());
    disk_.reset();
    open({.writable = false});
    EXPECT_EQ(zone(3).state, ZoneState::full);
}

TEST_F(RestartedDisk, HasThePreferredZonesOfAHostAwareDisk) {
    kill();
    std::filesystem::remove(path_);
    auto shape = small_shape();
    shape.model = Model::host_aware;
    ASSERT_TRUE(create(path_, shape));
    open();
    write(2, 1);
    ASSERT_TRUE(driver_->flush().ok());
    write(2, 2);  // in place
    write(3, 3, 8192);
    act(Operation::finish, 4);
    kill();
    open();
    EXPECT_EQ(driver_->read(2 * zone_size, 8192), pattern(2, 8192));
    EXPECT_EQ(pointer(3), 16384U);
    EXPECT_EQ(driver_->read(3 * zone_size + 8192, 8192), pattern(3, 8192));
    EXPECT_EQ(zone(4).state, ZoneState::full);
}

// ---- A file that changes under the open disk.

TEST_F(RestartedDisk, AFileThatIsShorterThanItsDataFailsReadsAndFlushes) {
    write(2, 1);
    write(3, 2);
    ASSERT_TRUE(driver_->flush().ok());
    std::filesystem::resize_file(path_, geometry_.slot_offset(1));
    Bytes data(8192);
    const iovec buffer{data.data(), data.size()};
    const auto read = driver_->run(Request{.operation = Operation::read,
                                           .offset = 3 * zone_size,
                                           .length = 8192,
                                           .data = {&buffer, 1},
                                           .zones = {}});
    EXPECT_EQ(read.status.code, StatusCode::media_error);
    EXPECT_EQ(driver_->read(2 * zone_size, 8192), pattern(1, 8192));
    // A write would make the file longer again, with a hole where the data was.
    EXPECT_EQ(driver_->write(4 * zone_size, pattern(3, 4096)).code, StatusCode::io_error);
    EXPECT_EQ(driver_->write(0, pattern(3, 4096)).code, StatusCode::io_error);
    std::filesystem::resize_file(path_, geometry_.slot_offset(3));
    EXPECT_EQ(driver_->write(4 * zone_size, pattern(3, 4096)).code, StatusCode::io_error);
    EXPECT_EQ(driver_->flush().code, StatusCode::io_error);
    driver_.reset();
    EXPECT_FALSE(disk_->close());
}

TEST_F(RestartedDisk, AFileThatLosesItsLiveTableDoesNotEndTheProcess) {
    write(2, 1);
    EXPECT_FALSE(disk_->answers_after_commit());
    std::filesystem::resize_file(path_, geometry_.live_offset);
    EXPECT_EQ(driver_->act(Operation::finish, 3 * zone_size, zone_size).status.code,
              StatusCode::io_error);
    EXPECT_TRUE(disk_->answers_after_commit());
    EXPECT_FALSE(driver_->flush().ok());
}

TEST_F(RestartedDisk, AFileThatIsDeletedOrReplacedFailsFlushes) {
    write(2, 1);
    ASSERT_TRUE(driver_->flush().ok());
    std::filesystem::remove(path_);
    write(3, 2);
    EXPECT_EQ(driver_->flush(), (Status{StatusCode::io_error, NativeCause::os_error(ESTALE)}));
    kill();

    ASSERT_TRUE(create(path_, small_shape()));
    open();
    write(2, 1);
    const auto other = folder_.file("other");
    ASSERT_TRUE(create(other, small_shape()));
    std::ofstream(path_, std::ios::binary | std::ios::in) << std::ifstream(other).rdbuf();
    EXPECT_EQ(driver_->flush(), (Status{StatusCode::io_error, NativeCause::os_error(ESTALE)}));
}

}  // namespace
}  // namespace zonebridge::emulated
