#include "tools/files.h"

#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/unit/support/temporary.h"

namespace zonebridge::tools {
namespace {

using test::TemporaryFolder;

std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Output, WritesEverythingInOrder) {
    const TemporaryFolder folder;
    const auto path = folder / "out";
    const auto fd = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    std::string expected;
    Output out(fd, "out");
    for (int i = 0; i < 100'000; ++i) {
        out.print("{}\n", i);
        expected += std::to_string(i) + "\n";
    }
    EXPECT_TRUE(out.flush());
    ::close(fd);
    EXPECT_EQ(content(path), expected);
}

TEST(Output, KeepsTheFirstErrorAndNamesTheOutput) {
    const auto fd = ::open("/dev/full", O_WRONLY);
    ASSERT_GE(fd, 0);
    Output out(fd, "the output");
    out.write("x");
    EXPECT_FALSE(out.failed());  // only buffered
    const auto flushed = out.flush();
    ASSERT_FALSE(flushed);
    EXPECT_TRUE(out.failed());
    EXPECT_EQ(flushed.error().code, StatusCode::no_space);
    EXPECT_NE(flushed.error().message.find("the output"), std::string::npos);
    out.write("y");
    EXPECT_FALSE(out.flush());
    ::close(fd);
}

TEST(File, RefusesTheDiskItselfAndDoesNotChangeIt) {
    const TemporaryFolder folder;
    const auto disk = folder / "disk";
    std::ofstream(disk) << "precious";
    const auto link = folder / "link";
    ASSERT_EQ(::symlink(disk.c_str(), link.c_str()), 0);
    for (const auto& path : {disk, link}) {
        EXPECT_FALSE(File::open(path, File::Mode::replace, disk));
        EXPECT_FALSE(File::open(path, File::Mode::read, disk));
    }
    EXPECT_EQ(content(disk), "precious");
}

TEST(File, ReplaceTruncatesAndReadCountsTheRest) {
    const TemporaryFolder folder;
    const auto path = folder / "file";
    std::ofstream(path) << "0123456789";
    const auto input = File::open(path, File::Mode::read, "");
    ASSERT_TRUE(input);
    EXPECT_EQ(input->remaining(), 10U);
    std::array<std::byte, 4> buffer{};
    EXPECT_EQ(*read_fully(*input, buffer), 4U);
    EXPECT_EQ(input->remaining(), 6U);
    std::array<std::byte, 100> rest{};
    EXPECT_EQ(*read_fully(*input, rest), 6U);
    EXPECT_EQ(*read_fully(*input, rest), 0U);

    auto output = File::open(path, File::Mode::replace, "");
    ASSERT_TRUE(output);
    EXPECT_TRUE(output->close());
    EXPECT_EQ(content(path), "");
}

TEST(File, MissingFilesAndFoldersAreErrors) {
    const TemporaryFolder folder;
    const auto missing = File::open(folder / "missing", File::Mode::read, "");
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message.find("missing"), std::string::npos);
    EXPECT_FALSE(File::open(folder.path().string(), File::Mode::read, ""));
    EXPECT_FALSE(File::open(folder.path().string(), File::Mode::replace, ""));
}

TEST(File, PipesAreReadToTheEndWhateverTheSizeOfTheirPieces) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const auto child = ::fork();
    if (child == 0) {
        for (int i = 0; i < 10; ++i) {
            if (::write(ends[1], "abc", 3) != 3) std::_Exit(1);
            ::usleep(1000);
        }
        std::_Exit(0);
    }
    ::close(ends[1]);
    const auto input = File::open("/dev/fd/" + std::to_string(ends[0]), File::Mode::read, "");
    ASSERT_TRUE(input);
    EXPECT_EQ(input->remaining(), std::nullopt);
    std::array<std::byte, 64> buffer{};
    EXPECT_EQ(*read_fully(*input, buffer), 30U);
    ::close(ends[0]);
    EXPECT_EQ(::waitpid(child, nullptr, 0), child);
}

}  // namespace
}  // namespace zonebridge::tools
