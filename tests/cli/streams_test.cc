// Standard streams that are closed or full or have no reader, paths that are no devices, and very
// many zones.
#include <filesystem>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace zonebridge::test {
namespace {

using Stdout = Command::Stdout;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer);
#else
constexpr bool sanitized = false;
#endif

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

TEST(Streams, AnUnwritableOutputIsAFailure) {
    const Disk disk;
    for (const auto out : {Stdout::closed, Stdout::full, Stdout::gone_reader})
        for (const auto& arguments : std::vector<std::vector<std::string>>{
                 {"info", disk.path()},
                 {"report", disk.path()},
                 {"report", disk.path(), "--json"},
                 {"report", disk.path(), "--csv"},
                 {"report", disk.path(), "--map"},
                 {"read", disk.path(), "--offset", "0", "--length", "1M"},
                 {"--help"},
                 {"report", "--help"},
                 {"--version"}}) {
            Command what;
            what.arguments = arguments;
            what.out = out;
            const auto result = run(what);
            EXPECT_EQ(result.status, 1) << ::testing::PrintToString(arguments) << result.err;
            EXPECT_NE(result.err.find("standard output"), std::string::npos) << result.err;
        }
}

TEST(Streams, ChangesAreMadeEvenIfTheOutputIsClosed) {
    const Disk disk;
    Command what;
    what.arguments = {"finish", disk.path(), "--zone", "3"};
    what.out = Stdout::closed;
    const auto result = run(what);
    EXPECT_EQ(result.status, 1);
    EXPECT_NE(result.err.find("the zones were finished, but"), std::string::npos) << result.err;
    EXPECT_EQ(disk.state(3), "full");
    what.arguments = {"write", disk.path(), "--offset", "8M"};
    what.input = pattern(4096);
    EXPECT_EQ(run(what).status, 1);
    EXPECT_EQ(done({"read", disk.path(), "--offset", "8M", "--length", "4K"}), pattern(4096));
}

// With descriptors 0 or 1 closed, the disk could be opened as one of them.
TEST(Streams, TheDiskIsNeverOpenedAsAStandardStream) {
    const Disk disk;
    done({"write", disk.path(), "--offset", "0"}, pattern(1 << 20));
    const auto size = std::filesystem::file_size(disk.path());
    Command what;
    what.closed_stdin = true;
    what.out = Stdout::closed;
    what.arguments = {"write", disk.path(), "--offset", "8M"};
    const auto result = run(what);
    EXPECT_EQ(result.status, 1);
    EXPECT_NE(result.err.find("standard input"), std::string::npos) << result.err;
    what.arguments = {"report", disk.path()};
    EXPECT_EQ(run(what).status, 1);
    EXPECT_EQ(std::filesystem::file_size(disk.path()), size);
    EXPECT_EQ(done({"read", disk.path(), "--offset", "0", "--length", "1M"}), pattern(1 << 20));
}

TEST(Streams, AFullDiskBelowTheOutputFileIsAFailure) {
    const Disk disk;
    EXPECT_NE(
        failed({"read", disk.path(), "--offset", "0", "--length", "1M", "--output", "/dev/full"})
            .find("ENOSPC"),
        std::string::npos);
    EXPECT_NE(failed({"read", disk.path(), "--offset", "0", "--length", "4K", "--output",
                      disk / "no/such"})
                  .find("ENOENT"),
              std::string::npos);
    EXPECT_NE(failed({"write", disk.path(), "--offset", "8M", "--input", disk / "missing"})
                  .find("ENOENT"),
              std::string::npos);
}

TEST(Devices, PathsThatCannotBeOpenedAreNamedWithTheirKind) {
    const TemporaryFolder folder;
    write_file(folder / "text", "not a disk");
    write_file(folder / "empty", "");
    ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
    ASSERT_EQ(::symlink("loop", (folder / "loop").c_str()), 0);
    const auto socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (folder / "socket").copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ::close(socket);

    for (const std::string prefix : {"", "emulated:"})
        for (const auto& [path, words] : std::vector<std::pair<std::string, std::string>>{
                 {folder / "missing", "No such file"},
                 {folder / "text", "emulated"},
                 {folder / "empty", "emulated"},
                 {folder / "text/below", "ENOTDIR"},
                 {folder / "loop", "ELOOP"},
                 {folder / "pipe", "is a pipe"},
                 {folder / "socket", "is a socket"},
                 {folder.path().string(), "is a directory"},
                 {"/dev/zero", "is a character device"}})
            for (const auto& rest : std::vector<std::vector<std::string>>{{}, {"--json"}}) {
                auto arguments = rest;
                arguments.insert(arguments.begin(), {"info", prefix + path});
                const auto line = failed(arguments);
                EXPECT_NE(line.find(words), std::string::npos) << line;
                EXPECT_NE(line.find(path), std::string::npos) << line;
            }
}

TEST(Devices, AFailureInJsonLeavesStandardOutputEmpty) {
    const TemporaryFolder folder;
    write_file(folder / "text", "not a disk");
    for (const auto* verb : {"info", "report"}) {
        const auto result = zonebridge({verb, folder / "text", "--json"});
        EXPECT_EQ(result.status, 1);
        EXPECT_EQ(result.out, "");
    }
}

TEST(Devices, EscapeSequencesInNamesAreNotPrinted) {
    const auto line = failed({"info", "/no/\x1b[31m\nsuch"});
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
}

TEST(Devices, FilesThatLookLikePrefixesOpenByTheirPath) {
    const TemporaryFolder folder;
    ASSERT_EQ(::chdir(folder.path().c_str()), 0);
    done({"create", "./disk:1", "--size", "8M", "--zone-size", "4M"});
    EXPECT_EQ(json_of({"report", "./disk:1", "--json"})["zones"].size(), 2U);
    EXPECT_EQ(json_of({"report", "emulated:disk:1", "--json"})["zones"].size(), 2U);
    EXPECT_EQ(zonebridge({"report", "disk:1"}).status, 2);
    // A file may have the name of a verb.
    done({"create", "report", "--size", "8M", "--zone-size", "4M"});
    EXPECT_NE(first_line(done({"info", "report"})).find("report"), std::string::npos);
    done({"create", "--size", "8M", "--zone-size", "4M", "--", "-dash"});
    EXPECT_EQ(json_of({"report", "--json", "--", "-dash"})["zones"].size(), 2U);
    ASSERT_EQ(::chdir("/"), 0);
}

TEST(ManyZones, AMillionAreReportedInBoundedMemory) {
    // Fewer under a sanitizer, whose own memory use hides the program's.
    constexpr std::size_t count = sanitized ? 1 << 15 : 1 << 20;
    const Disk disk({"--size", sanitized ? "1T" : "32T", "--zone-size", "32M"});
    // The emulated disk itself needs 16 bytes per zone; the rest must not grow with the zones.
    constexpr long allowed = (16L * count) + (48L << 20);
    for (const auto* format : {"--json", "--csv", "--map"}) {
        const auto result = zonebridge({"report", disk.path(), format});
        EXPECT_EQ(result.status, 0) << result.err;
        // A sanitizer's own memory would count, too.
        if constexpr (!sanitized) {
            EXPECT_LT(result.peak_memory, allowed) << format;
        }
        if (std::string(format) != "--json") continue;
        // Checked without a document in memory: a child's peak memory begins with its parent's
        // size.
        EXPECT_TRUE(nlohmann::json::accept(result.out));
        std::size_t zones = 0;
        for (auto at = result.out.find("\"start\""); at != std::string::npos;
             at = result.out.find("\"start\"", at + 1))
            ++zones;
        EXPECT_EQ(zones, count);
        EXPECT_NE(result.out.find(fmt::format("\"start\": {},", (count - 1) << 25)),
                  std::string::npos);
    }
    EXPECT_EQ(json_of({"info", disk.path(), "--json"})["zones"]["by_state"]["empty"], count);
    EXPECT_EQ(json_of({"finish", disk.path(), "--zone", "5000-24999", "--json"})["done"], 20000);
    EXPECT_EQ(json_of({"reset", disk.path(), "--all", "--json"})["done"], 20000);
}

}  // namespace
}  // namespace zonebridge::test
