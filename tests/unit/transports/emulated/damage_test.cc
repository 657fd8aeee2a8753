// Damaged and foreign files give a clear error or the right data, never a crash.
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/transports/emulated/support.h"
#include "transports/emulated/format.h"
#include "transports/emulated/table_sector.h"

namespace zonebridge::emulated {
namespace {

class DamagedFile : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(create(path_, small_shape()));
        Rig rig(path_);
        for (std::uint64_t zone = 2; zone < 9; ++zone)
            ASSERT_TRUE(rig->write(zone * zone_size, pattern(zone, 4096 * (zone - 1))).ok());
        ASSERT_TRUE(rig->act(Operation::finish, 3 * zone_size, zone_size).status.ok());
        ASSERT_TRUE(rig.close());
        original_ = load();
    }
    Bytes load() {
        std::ifstream in(path_, std::ios::binary);
        return Bytes(std::istreambuf_iterator<char>(in), {});
    }
    void store(const Bytes& bytes) {
        std::ofstream out(path_, std::ios::binary | std::ios::trunc);
        out.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
    }
    /// Returns the error, or an empty string if the disk opens and holds the right data.
    std::string look(bool writable) {
        auto transport = open(path_, {writable});
        if (!transport) {
            EXPECT_NE(transport.error().message.find(path_), std::string::npos)
                << transport.error().message;
            return transport.error().message;
        }
        transport->reset();
        Rig rig(path_, writable);
        const auto zones = rig->report(16);
        EXPECT_EQ(zones.size(), 16U);
        for (std::uint64_t zone = 2; zone < 9; ++zone) {
            const auto length = 4096 * (zone - 1);
            EXPECT_EQ(rig->read(zone * zone_size, length), pattern(zone, length)) << zone;
            if (zone == 3) continue;
            EXPECT_EQ(zones[zone].write_pointer, zone * zone_size + length);
        }
        EXPECT_EQ(zones[3].state, ZoneState::full);
        return {};
    }
    std::string look_at(const Bytes& bytes, bool writable = false) {
        store(bytes);
        return look(writable);
    }
    void put_superblocks(Bytes& bytes, const std::function<void(Superblock&)>& change) {
        const auto start =
            std::span<const std::uint8_t, 2 * page_size>(bytes.data(), 2 * page_size);
        auto superblock = choose_superblock(start).value().superblock;
        change(superblock);
        for (int i = 0; i < 2; ++i, ++superblock.generation) {
            const auto sector = encode(superblock);
            std::copy(sector.begin(), sector.end(),
                      bytes.begin() + static_cast<long>((superblock.generation & 1) * page_size));
        }
    }
    // Changes one zone's record in both copies of its table sector, and marks the disk as unclean.
    void put_record(Bytes& bytes, std::uint32_t zone, const ZoneRecord& record) {
        std::uint64_t seed = 0;
        put_superblocks(bytes, [&](Superblock& superblock) {
            superblock.clean = false;
            seed = superblock.seed();
        });
        const Geometry geometry(small_shape());
        const auto index = static_cast<std::uint32_t>(zone / records_per_sector);
        for (std::size_t copy = 0; copy < 2; ++copy) {
            auto* at = bytes.data() + geometry.table_sector(index, copy);
            const std::span<std::uint8_t, sector_size> sector(at, sector_size);
            const auto header = decode_sector(sector, index, copy, seed).value();
            std::vector<ZoneRecord> records;
            for (std::size_t i = 0; i < records_per_sector; ++i)
                records.push_back(decode_record(sector, i).value());
            records[zone % records_per_sector] = record;
            encode(header, records, seed, sector);
        }
    }

    ScratchFolder folder_{ScratchFolder::Place::memory};
    std::string path_ = folder_.file("disk");
    Bytes original_;
};

TEST_F(DamagedFile, AWrongByteInTheHeadGivesAnErrorOrTheRightData) {
    const Geometry geometry(small_shape());
    std::size_t errors = 0;
    for (std::size_t at = 0; at < geometry.plain_offset; at += at % 512 < 64 ? 1 : 37) {
        SCOPED_TRACE(at);
        auto bytes = original_;
        bytes[at] ^= 0x40;
        errors += look_at(bytes, at % 2 == 0).empty() ? 0 : 1;
        if (HasFailure()) return;
    }
    EXPECT_GT(errors, 0U);
}

TEST_F(DamagedFile, ABadSectorInTheHeadGivesAnErrorOrTheRightData) {
    const Geometry geometry(small_shape());
    for (std::size_t at = 0; at < geometry.plain_offset; at += 512) {
        SCOPED_TRACE(at);
        for (const auto& junk : {Bytes(512, 0), pattern(at, 512), Bytes(512, 0xFF)}) {
            auto bytes = original_;
            std::copy(junk.begin(), junk.end(), bytes.begin() + static_cast<long>(at));
            static_cast<void>(look_at(bytes, true));
            if (HasFailure()) return;
        }
    }
    auto bytes = original_;
    std::fill_n(bytes.begin(), geometry.plain_offset, 0);
    EXPECT_NE(look_at(bytes).find("is not an emulated zoned disk"), std::string::npos);
}

TEST_F(DamagedFile, IsRefusedIfCutOffAnywhere) {
    for (std::size_t length = 0; length < original_.size(); length += length < 40000 ? 509 : 4093) {
        SCOPED_TRACE(length);
        auto bytes = original_;
        bytes.resize(length);
        EXPECT_NE(look_at(bytes), "");
        EXPECT_NE(look(true), "");
        if (HasFailure()) return;
    }
}

TEST_F(DamagedFile, AnOlderTableUnderANewerSuperblockIsRefused) {
    const Geometry geometry(small_shape());
    const auto before = original_;
    {
        Rig rig(path_);
        ASSERT_TRUE(rig->write(10 * zone_size, pattern(10, 4096)).ok());
        ASSERT_TRUE(rig.close());
    }
    auto bytes = load();
    std::copy(before.begin() + 2 * page_size,
              before.begin() + static_cast<long>(geometry.plain_offset),
              bytes.begin() + 2 * page_size);
    EXPECT_NE(look_at(bytes).find("older than its superblock"), std::string::npos);
}

TEST_F(DamagedFile, ANewerFormatIsReported) {
    auto bytes = original_;
    bytes[8] = bytes[page_size + 8] = 3;
    EXPECT_NE(look_at(bytes).find("use a newer zonebridge"), std::string::npos);
}

TEST_F(DamagedFile, InvalidGeometryIsRefused) {
    const std::vector<std::function<void(Shape&)>> changes = {
        [](Shape& shape) { shape.zone_size = 0; },
        [](Shape& shape) {
            shape.zone_size = 512;
            shape.size = std::uint64_t{1} << 56;
        },
        [](Shape& shape) { shape.size += 1; },
        [](Shape& shape) { shape.size = 0; },
        [](Shape& shape) { shape.size = ~std::uint64_t{0} - 4095; },
        [](Shape& shape) { shape.zone_capacity = shape.zone_size + 4096; },
        [](Shape& shape) { shape.conventional = 16; },
        [](Shape& shape) { shape.conventional = ~0U; },
        [](Shape& shape) { shape.max_open = 1000; },
        [](Shape& shape) { shape.logical_block_size = 520; },
        [](Shape& shape) { shape.physical_block_size = 0; },
        [](Shape& shape) { shape.model = Model::none; },
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        SCOPED_TRACE(i);
        auto bytes = original_;
        put_superblocks(bytes, [&](Superblock& superblock) { changes[i](superblock.shape); });
        EXPECT_NE(look_at(bytes).find("geometry is invalid"), std::string::npos);
        if (HasFailure()) return;
    }
    auto bytes = original_;
    put_superblocks(bytes, [](Superblock& superblock) {
        superblock.shape.size = std::uint64_t{1} << 40;  // a table longer than the file
    });
    EXPECT_NE(look_at(bytes).find("cut off"), std::string::npos);
}

TEST_F(DamagedFile, InvalidRecordsAreRefused) {
    const std::vector<std::pair<ZoneRecord, const char*>> records = {
        {{ZoneState::closed, 0, 4096, 4096, 0}, "which is another zone's"},
        {{ZoneState::closed, 5000000, 4096, 4096, 0}, "slot 5000000"},
        {{ZoneState::closed, 9, 1 << 20, 1 << 20, 0}, "past its capacity"},
        {{ZoneState::closed, 9, 8192, 4096, 0}, "it has more durable data than written data"},
        {{ZoneState::closed, std::nullopt, 4096, 4096, 0}, "no slot for data"},
        {{ZoneState::empty, 9, 0, 0, 0}, "it is empty, but has a slot for data"},
        {{ZoneState::empty, 0, 4096, 4096, 0}, "can't be empty"},
        {{ZoneState::closed, 0, 100, 100, 0}, "can't be closed"},
        {{ZoneState::not_write_pointer, std::nullopt, 0, 0, 0}, "can't be not-write-pointer"},
        {{ZoneState::closed, 1000, 4096, 4096, 0}, "cut off within the data"},
    };
    for (const auto& [record, complaint] : records) {
        SCOPED_TRACE(complaint);
        auto bytes = original_;
        put_record(bytes, 9, record);
        EXPECT_NE(look_at(bytes).find(complaint), std::string::npos) << look(false);
        EXPECT_NE(look(true).find(complaint), std::string::npos);
    }
    auto bytes = original_;
    put_record(bytes, 0, {ZoneState::full, std::nullopt, 0, 0, 0});
    EXPECT_NE(look_at(bytes).find("conventional"), std::string::npos);
}

TEST_F(DamagedFile, ForeignFilesAreReportedAsForeign) {
    for (const auto& content : {Bytes{}, Bytes(100, 'x'), pattern(1, 1 << 20), Bytes(1 << 20, 0)}) {
        const auto message = look_at(content, true);
        EXPECT_NE(message.find("is not an emulated zoned disk"), std::string::npos) << message;
        EXPECT_FALSE(looks_like_disk(path_).value());
    }
    store(original_);
    EXPECT_TRUE(looks_like_disk(path_).value());
    const auto missing = open(folder_.file("missing"), {});
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message.find("No such file"), std::string::npos);
    const auto folder = open(folder_.file("."), {});
    ASSERT_FALSE(folder);
    EXPECT_NE(folder.error().message.find("is not a regular file"), std::string::npos)
        << folder.error().message;
    const auto pipe = folder_.file("pipe");
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    const auto opened = open(pipe, {});
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find("is not a regular file"), std::string::npos);
}

}  // namespace
}  // namespace zonebridge::emulated
