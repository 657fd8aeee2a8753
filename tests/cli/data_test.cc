// read, write and append: written data are read back; data that do not fit are refused, and the
// error says how many bytes were written.
#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>

#include "base/size.h"
#include "tests/cli/program.h"

namespace zonebridge::test {
namespace {

std::string read_back(const Disk& disk, const std::string& offset, std::size_t length) {
    return done({"read", disk.path(), "--offset", offset, "--length", std::to_string(length)});
}

TEST(Data, WrittenDataAreReadBack) {
    const Disk disk;
    const auto data = pattern(3 * MiB + 12288);
    EXPECT_NE(done({"write", disk.path(), "--offset", "8M"}, data).find("3158016 bytes"),
              std::string::npos);
    EXPECT_EQ(read_back(disk, "8M", data.size()), data);
    EXPECT_EQ(disk.zone(2)["write_pointer"], 8 * MiB + data.size());
    EXPECT_EQ(read_back(disk, "12M", 8192), std::string(8192, '\0'));
}

TEST(Data, InputAndOutputMayBeFiles) {
    const Disk disk;
    const auto data = pattern(MiB);
    write_file(disk / "in", data);
    write_file(disk / "out", "what was there before, and is longer than nothing");
    const auto told =
        json_of({"write", disk.path(), "--offset", "4M", "--input", disk / "in", "--json"});
    EXPECT_EQ(told["length"], MiB);
    EXPECT_EQ(told["offset"], 4 * MiB);
    done({"read", disk.path(), "--offset", "4M", "--length", "1M", "--output", disk / "out"});
    EXPECT_EQ(read_file(disk / "out"), data);
}

TEST(Data, OneWriteMayFillSeveralZones) {
    const Disk disk;
    const auto data = pattern(18 * MiB);
    done({"write", disk.path(), "--offset", "4M"}, data);  // a conventional zone, then four others
    EXPECT_EQ(read_back(disk, "4M", data.size()), data);
    EXPECT_EQ(disk.state(2), "full");
    EXPECT_EQ(disk.state(4), "full");
    EXPECT_EQ(disk.zone(5)["write_pointer"], 22 * MiB);
}

TEST(Data, AWriteStopsAtTheFirstZoneThatRefuses) {
    const Disk disk;
    done({"write", disk.path(), "--offset", "12M"}, pattern(4096, 7));
    const auto line = failed({"write", disk.path(), "--offset", "8M"}, pattern(6 * MiB));
    EXPECT_NE(line.find("4194304 bytes were written, from offset 8388608 to 12582912"),
              std::string::npos)
        << line;
    EXPECT_NE(line.find("write pointer is 12587008"), std::string::npos) << line;
    EXPECT_EQ(read_back(disk, "8M", 4 * MiB), pattern(6 * MiB).substr(0, 4 * MiB));
    EXPECT_EQ(read_back(disk, "12M", 4096), pattern(4096, 7));
}

TEST(Data, AWriteStopsAtTheEndOfTheCapacity) {
    const Disk disk({"--size", "32M", "--zone-size", "4M", "--zone-capacity", "3M"});
    const auto line = failed({"write", disk.path(), "--offset", "4M"}, pattern(4 * MiB));
    EXPECT_NE(line.find("capacity of zone 1 ends at 7340032"), std::string::npos) << line;
    EXPECT_NE(line.find("3145728 bytes were written"), std::string::npos) << line;
    EXPECT_EQ(disk.state(1), "full");
    done({"write", disk.path(), "--offset", "8M"}, pattern(3 * MiB));
    const auto gap = failed({"write", disk.path(), "--offset", "11M"}, pattern(4096));
    EXPECT_NE(gap.find("nothing was written"), std::string::npos) << gap;
}

TEST(Data, AWriteStopsAtTheEndOfTheDisk) {
    const Disk disk;
    const auto line = failed({"write", disk.path(), "--offset", "28M"}, pattern(5 * MiB));
    EXPECT_NE(line.find("disk ends at 33554432"), std::string::npos) << line;
    EXPECT_NE(line.find("4194304 bytes were written"), std::string::npos) << line;
    // The size of a file is known beforehand.
    write_file(disk / "in", pattern(9 * MiB));
    const auto refused = failed({"write", disk.path(), "--offset", "24M", "--input", disk / "in"});
    EXPECT_NE(refused.find("nothing was written"), std::string::npos) << refused;
    EXPECT_EQ(disk.state(6), "empty");
    EXPECT_NE(failed({"write", disk.path(), "--offset", "1G"}, "x").find("beyond"),
              std::string::npos);
}

TEST(Data, APartialBlockIsRefusedAndNeverPadded) {
    const Disk disk;  // 512-byte blocks on 4096-byte physical ones
    const auto line = failed({"write", disk.path(), "--offset", "8M"}, pattern(8192 + 512));
    EXPECT_NE(line.find("last 512 bytes"), std::string::npos) << line;
    EXPECT_NE(line.find("8192 bytes were written"), std::string::npos) << line;
    EXPECT_EQ(disk.zone(2)["write_pointer"], 8 * MiB + 8192);
    // Conventional zones take logical blocks.
    done({"write", disk.path(), "--offset", "512"}, pattern(1536));
    EXPECT_EQ(read_back(disk, "512", 1536), pattern(1536));
    EXPECT_NE(failed({"write", disk.path(), "--offset", "512"}, "abc").find("last 3 bytes"),
              std::string::npos);
    write_file(disk / "in", pattern(5000));
    const auto refused = failed({"write", disk.path(), "--offset", "12M", "--input", disk / "in"});
    EXPECT_NE(refused.find("nothing was written"), std::string::npos) << refused;
    EXPECT_EQ(disk.state(3), "empty");
}

TEST(Data, WritesThatAreNotAtThePointerAreRefusedAndNameThePointer) {
    const Disk disk;
    done({"write", disk.path(), "--offset", "8M"}, pattern(8192));
    const auto before = read_back(disk, "8M", 8192);
    for (const auto* offset : {"8M", "8400896"}) {
        const auto line = failed({"write", disk.path(), "--offset", offset}, pattern(4096, 9));
        EXPECT_NE(line.find("write pointer is 8396800"), std::string::npos) << line;
    }
    EXPECT_NE(failed({"write", disk.path(), "--offset", "8389000"}, pattern(4096)).find("multiple"),
              std::string::npos);
    done({"finish", disk.path(), "--zone", "2"});
    EXPECT_NE(failed({"write", disk.path(), "--offset", "8396800"}, pattern(4096)).find("full"),
              std::string::npos);
    EXPECT_EQ(read_back(disk, "8M", 8192), before);
}

TEST(Data, ZeroBytesAreAccepted) {
    const Disk disk;
    EXPECT_NE(done({"write", disk.path(), "--offset", "8M"}).find("wrote 0 bytes"),
              std::string::npos);
    EXPECT_EQ(done({"append", disk.path(), "--zone", "2"}), "");
    EXPECT_EQ(done({"read", disk.path(), "--offset", "0", "--length", "0"}), "");
    EXPECT_EQ(disk.state(2), "empty");
}

TEST(Data, ReadsMustBeWholeBlocksOfTheDisk) {
    const Disk disk;
    EXPECT_NE(failed({"read", disk.path(), "--offset", "1", "--length", "512"}).find("offset 1"),
              std::string::npos);
    EXPECT_NE(failed({"read", disk.path(), "--offset", "0", "--length", "5"}).find("length 5"),
              std::string::npos);
    for (const auto& [offset, length] : std::vector<std::pair<std::string, std::string>>{
             {"32M", "512"}, {"31M", "2M"}, {"1T", "512"}, {"512", "16777215T"}})
        EXPECT_NE(failed({"read", disk.path(), "--offset", offset, "--length", length})
                      .find("ends at 33554432"),
                  std::string::npos);
}

TEST(Data, TheDiskCannotBeItsOwnInputOrOutput) {
    const Disk disk;
    const auto before = read_file(disk.path());
    EXPECT_NE(
        failed({"read", disk.path(), "--offset", "0", "--length", "4K", "--output", disk.path()})
            .find("disk itself"),
        std::string::npos);
    EXPECT_EQ(read_file(disk.path()), before);
    EXPECT_NE(
        failed({"write", disk.path(), "--offset", "0", "--input", disk.path()}).find("disk itself"),
        std::string::npos);
}

TEST(Data, AnInvalidRequestDoesNotTouchTheOutputFile) {
    const Disk disk;
    write_file(disk / "out", "precious");
    failed({"read", disk.path(), "--offset", "1G", "--length", "4K", "--output", disk / "out"});
    failed({"read", disk / "missing", "--offset", "0", "--length", "4K", "--output", disk / "out"});
    EXPECT_EQ(read_file(disk / "out"), "precious");
}

TEST(Append, PrintsTheOffsetOfEveryPiece) {
    const Disk disk;
    const auto largest =
        json_of({"info", disk.path(), "--json"})["limits"]["max_append"].get<std::uint64_t>();
    ASSERT_GE(largest, 4096U);
    EXPECT_EQ(done({"append", disk.path(), "--zone", "2"}, pattern(4096)), "8388608\n");
    EXPECT_EQ(done({"append", disk.path(), "--zone", "2"}, pattern(8192, 2)), "8392704\n");
    EXPECT_EQ(read_back(disk, "8M", 12288), pattern(4096) + pattern(8192, 2));

    const auto data = pattern(3 * MiB);
    std::istringstream lines(done({"append", disk.path(), "--zone", "3"}, data));
    auto expected = 12 * MiB;
    std::uint64_t pieces = 0;
    for (std::string line; std::getline(lines, line); ++pieces) {
        EXPECT_EQ(line, std::to_string(expected));
        expected += std::min(largest, 15 * MiB - expected);
    }
    EXPECT_EQ(pieces, (data.size() + largest - 1) / largest);
    EXPECT_EQ(read_back(disk, "12M", data.size()), data);
}

TEST(Append, JsonListsThePieces) {
    const Disk disk;
    const auto told = json_of({"append", disk.path(), "--zone", "4", "--json"}, pattern(4096));
    EXPECT_EQ(told["zone"], 4);
    ASSERT_EQ(told["pieces"].size(), 1U);
    EXPECT_EQ(told["pieces"][0]["offset"], 16 * MiB);
    EXPECT_EQ(told["pieces"][0]["length"], 4096);
    EXPECT_TRUE(json_of({"append", disk.path(), "--zone", "4", "--json"})["pieces"].empty());
}

TEST(Append, SingleIsAllOrNothing) {
    const Disk disk({"--size", "1G", "--zone-size", "256M"});
    const auto largest =
        json_of({"info", disk.path(), "--json"})["limits"]["max_append"].get<std::uint64_t>();
    ASSERT_LT(largest, 200 * MiB) << "larger appends than the disk takes must fit into a zone";
    const auto data = pattern(largest + 4096);
    const auto line = failed({"append", disk.path(), "--zone", "0", "--single"}, data);
    EXPECT_NE(line.find("nothing was appended"), std::string::npos) << line;
    EXPECT_EQ(disk.state(0), "empty");
    write_file(disk / "in", data);
    const auto refused =
        failed({"append", disk.path(), "--zone", "0", "--single", "--input", disk / "in"});
    EXPECT_NE(refused.find("nothing was appended"), std::string::npos) << refused;
    EXPECT_EQ(done({"append", disk.path(), "--zone", "0", "--single"}, data.substr(0, largest)),
              "0\n");
    EXPECT_EQ(done({"append", disk.path(), "--zone", "1", "--single"}, pattern(4096)),
              "268435456\n");
    const auto partial = failed({"append", disk.path(), "--zone", "2", "--single"}, pattern(5000));
    EXPECT_NE(partial.find("nothing was appended"), std::string::npos) << partial;
    EXPECT_EQ(disk.state(2), "empty");
}

TEST(Append, DataThatDoNotFitAreRefused) {
    const Disk disk;
    const auto line = failed({"append", disk.path(), "--zone", "2"}, pattern(5 * MiB));
    EXPECT_NE(line.find("bytes were appended in"), std::string::npos) << line;
    write_file(disk / "in", pattern(5 * MiB));
    const auto refused = failed({"append", disk.path(), "--zone", "3", "--input", disk / "in"});
    EXPECT_NE(refused.find("room for only 4194304"), std::string::npos) << refused;
    EXPECT_EQ(disk.state(3), "empty");
    const auto rest = failed({"append", disk.path(), "--zone", "4"}, pattern(4096 + 5));
    EXPECT_NE(rest.find("last 5 bytes"), std::string::npos) << rest;
    done({"finish", disk.path(), "--zone", "5"});
    EXPECT_NE(failed({"append", disk.path(), "--zone", "5"}, pattern(4096)).find("full"),
              std::string::npos);
}

TEST(Append, ZonesWithoutAWritePointerAreRefused) {
    const Disk disk;
    EXPECT_NE(failed({"append", disk.path(), "--zone", "0"}, pattern(4096)).find("conventional"),
              std::string::npos);
    EXPECT_NE(failed({"append", disk.path(), "--zone", "8"}, pattern(4096)).find("no zone 8"),
              std::string::npos);
    EXPECT_NE(failed({"append", "null:1G", "--zone", "0"}, pattern(512)).find("no zones"),
              std::string::npos);
}

TEST(Data, DisksWithoutZonesTakeWritesAnywhere) {
    const Disk disk({"--size", "32M", "--model", "none"});
    const auto data = pattern(5 * MiB + 512);
    done({"write", disk.path(), "--offset", "1536"}, data);
    EXPECT_EQ(read_back(disk, "1536", data.size()), data);
    done({"write", "null:1G", "--offset", "0"}, data);
    EXPECT_EQ(done({"read", "null:1G", "--offset", "0", "--length", "1M"}), std::string(MiB, '\0'));
}

}  // namespace
}  // namespace zonebridge::test
