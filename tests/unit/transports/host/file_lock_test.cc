// The writer's lock on files of an ordinary file system and of tmpfs: it has one holder, and the
// error names that holder. The kernel numbers files in another way on tmpfs and overlayfs.
#include "transports/host/file_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "tests/unit/support/temporary.h"

namespace zonebridge::host {
namespace {

class FileLock : public ::testing::TestWithParam<const char*> {
  protected:
    [[nodiscard]] UniqueFd open(int flags = O_RDWR) const {
        return UniqueFd(::open(path.c_str(), flags | O_CREAT | O_CLOEXEC, 0600));
    }
    /// This process as an error names it.
    [[nodiscard]] static std::string this_process() {
        std::string program;
        std::getline(std::ifstream("/proc/self/comm"), program);
        return fmt::format("process {} ({})", ::getpid(), program);
    }

    const test::TemporaryFolder folder{GetParam()};
    const std::string path = folder / "disk";
    const UniqueFd writer = open();
    const UniqueFd other = open();
};

TEST_P(FileLock, ASecondWriterIsToldWhichProcessHasTheFile) {
    ASSERT_TRUE(lock_for_writing(writer.get(), path));
    const auto second = lock_for_writing(other.get(), path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, StatusCode::io_error);
    EXPECT_EQ(second.error().cause, NativeCause::os_error(EBUSY));
    EXPECT_TRUE(second.error().message.starts_with(path + " is in use by " + this_process() + ":"))
        << second.error().message;
}

TEST_P(FileLock, AReaderFindsTheWriter) {
    const auto reader = open(O_RDONLY);
    EXPECT_EQ(find_writer(reader.get()), std::nullopt);
    ASSERT_TRUE(lock_for_writing(writer.get(), path));
    EXPECT_EQ(find_writer(reader.get()), this_process());
    EXPECT_EQ(find_writer(writer.get()), std::nullopt) << "its own lock is no other writer";
}

TEST_P(FileLock, TheNameIsThatOfTheFilesHolder) {
    const auto unlike = folder / "unlike";
    const UniqueFd held(::open(unlike.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_TRUE(lock_for_writing(held.get(), unlike));
    EXPECT_EQ(find_writer(other.get()), std::nullopt) << "another file is locked";
}

TEST_P(FileLock, AnUnlockedFileCanBeLockedByAnotherWriter) {
    ASSERT_TRUE(lock_for_writing(writer.get(), path));
    unlock(other.get());  // has no lock: nothing changes
    EXPECT_FALSE(lock_for_writing(other.get(), path));
    unlock(writer.get());
    EXPECT_TRUE(lock_for_writing(other.get(), path));
    EXPECT_FALSE(lock_for_writing(writer.get(), path));
}

INSTANTIATE_TEST_SUITE_P(Places, FileLock, ::testing::Values("/var/tmp", "/dev/shm"),
                         [](const auto& place) { return place.index == 0 ? "Disk" : "Memory"; });

}  // namespace
}  // namespace zonebridge::host
