// --force overlooks leftovers, and never a lock: a disk that is served is not changed, neither as a
// plain file nor as the output of another verb.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace zonebridge::test {
namespace {

class ServedFile : public testing::Test {
  protected:
    ServedFile() {
        done({"write", disk.path(), "--offset", "8M"}, pattern(8192));
        server.emplace(std::vector<std::string>{"serve", disk.path(), "--virtio", "scsi",
                                                "--socket", disk / "socket"});
        EXPECT_NE(server->output_until("ready:").find("ready:"), std::string::npos);
        before = read_file(disk.path());
    }
    ~ServedFile() override {
        // Before the server ends: its end writes to the disk.
        EXPECT_EQ(std::filesystem::file_size(disk.path()), before.size());
        EXPECT_TRUE(read_file(disk.path()) == before) << "the served disk was changed";
        EXPECT_EQ(server->stop(), 0);
        EXPECT_EQ(done({"read", disk.path(), "--offset", "8M", "--length", "8K"}), pattern(8192));
    }

    void expect_in_use(std::vector<std::string> arguments, const std::string& input = {}) {
        const auto line = failed(arguments, input);
        EXPECT_NE(line.find("in use by process"), std::string::npos)
            << arguments.front() << ": " << line;
    }

    Disk disk;
    std::optional<Background> server;
    std::string before;
};

TEST_F(ServedFile, NoVerbWritesToItAsAPlainFile) {
    const auto file = "block:" + disk.path();
    expect_in_use({"write", file, "--offset", "0", "--force"}, pattern(4096));
    expect_in_use({"bench", file, "--work", "seqwrite", "--runtime", "1", "--force"});
    expect_in_use({"serve", file, "--virtio", "blk", "--socket", disk / "second", "--force"});
    for (const auto* const verb : {"reset", "finish", "open", "close"})
        expect_in_use({verb, file, "--all", "--force"});
    expect_in_use({"append", file, "--zone", "2", "--force"}, pattern(4096));
}

TEST_F(ServedFile, NoVerbWritesToItAsADisk) {
    expect_in_use({"write", disk.path(), "--offset", "8M", "--force"}, pattern(4096));
    expect_in_use({"reset", disk.path(), "--all", "--force"});
    expect_in_use({"bench", disk.path(), "--work", "seqwrite", "--runtime", "1", "--force"});
}

TEST_F(ServedFile, IsNoFileForAnothersOutput) {
    const Disk other;
    expect_in_use(
        {"read", other.path(), "--offset", "0", "--length", "4K", "--output", disk.path()});
    EXPECT_NE(failed({"create", disk.path(), "--size", "64M", "--zone-size", "4M"})
                  .find("exists already"),
              std::string::npos);
}

}  // namespace
}  // namespace zonebridge::test
