// The parts of VDUSE that need no kernel support: the pieces of memory, the record for the next
// process, and names. tests/guest/vduse.sh tests the rest.

#include <cstring>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/unit/support/temporary.h"
#include "virtio/vduse/iotlb.h"
#include "virtio/vduse/kernel_device.h"
#include "virtio/vduse/record.h"

namespace zonebridge::virtio::vduse {
namespace {

Piece piece(std::uint64_t start, std::uint64_t last, std::uint64_t offset, ino_t inode = 7) {
    Piece made;
    made.extent = {.start = start, .last = last, .offset = offset, .device = 1, .inode = inode};
    return made;
}

std::vector<Piece> joined(std::vector<Piece> pieces) {
    std::vector<Piece> all;
    for (auto& one : pieces) append(all, std::move(one));
    return all;
}

std::vector<Piece> two(Piece first, Piece second) {
    std::vector<Piece> pieces;
    pieces.push_back(std::move(first));
    pieces.push_back(std::move(second));
    return joined(std::move(pieces));
}

TEST(VduseMemory, AdjacentPiecesOfOneFileAreJoined) {
    const auto one = two(piece(0x1000, 0x1fff, 0x5000), piece(0x2000, 0x4fff, 0x6000));
    ASSERT_EQ(one.size(), 1U);
    EXPECT_EQ(one[0].extent.start, 0x1000U);
    EXPECT_EQ(one[0].extent.last, 0x4fffU);
    EXPECT_EQ(one[0].extent.offset, 0x5000U);
}

TEST(VduseMemory, OtherPiecesAreNotJoined) {
    const auto first = [] { return piece(0x1000, 0x1fff, 0x5000); };
    EXPECT_EQ(two(first(), piece(0x2001, 0x2fff, 0x6001)).size(), 2U);     // a gap
    EXPECT_EQ(two(first(), piece(0x2000, 0x2fff, 0x7000)).size(), 2U);     // elsewhere in the file
    EXPECT_EQ(two(first(), piece(0x2000, 0x2fff, 0x6000, 8)).size(), 2U);  // another file
    auto read_only = piece(0x2000, 0x2fff, 0x6000);
    read_only.extent.writable = false;
    EXPECT_EQ(two(first(), std::move(read_only)).size(), 2U);
    auto made = first();
    made.extent.kernel_made = true;
    auto next = piece(0x2000, 0x2fff, 0x6000);
    next.extent.kernel_made = true;
    EXPECT_EQ(two(std::move(made), std::move(next)).size(), 2U);
    constexpr auto most = ~std::uint64_t{0};
    EXPECT_EQ(two(piece(0x1000, 0x1fff, most - 10), piece(0x2000, 0x2fff, 0xff5)).size(), 2U);
}

TEST(VduseMemory, IsMappedAtTheDriversAddresses) {
    std::vector<Piece> pieces;
    for (const bool writable : {true, false}) {
        UniqueFd fd(::memfd_create("piece", MFD_CLOEXEC));
        ASSERT_EQ(::ftruncate(fd.get(), 0x3000), 0);
        ASSERT_EQ(::pwrite(fd.get(), writable ? "rw" : "ro", 2, 0x1000), 2);
        const std::uint64_t start = writable ? 0x10000 : 0x20000;
        pieces.push_back(
            {{.start = start, .last = start + 0x1fff, .offset = 0x1000, .writable = writable},
             std::move(fd)});
    }
    const auto memory = build_memory(pieces, *GuestMemory::none());
    ASSERT_TRUE(memory) << memory.error();
    GuestMemory::Hint hint;
    EXPECT_EQ(std::memcmp((*memory)->translate(0x10000, 2, hint), "rw", 2), 0);
    EXPECT_TRUE(hint.writable);
    EXPECT_EQ(std::memcmp((*memory)->translate(0x20000, 2, hint), "ro", 2), 0);
    EXPECT_FALSE(hint.writable);
    using Access = GuestMemory::Access;
    EXPECT_NE((*memory)->translate_user(0x10000, 2, Access::write), nullptr);
    EXPECT_NE((*memory)->translate_user(0x20000, 2, Access::read), nullptr);
    EXPECT_EQ((*memory)->translate_user(0x20000, 2, Access::write), nullptr);
    iovec out[1];
    EXPECT_TRUE((*memory)->translate_pieces(0x20000, 2, out, hint, Access::read));
    EXPECT_FALSE((*memory)->translate_pieces(0x20000, 2, out, hint, Access::write));

    // Mappings are reused, but a read-only mapping is not reused for a writable piece.
    const auto again = build_memory(pieces, **memory);
    ASSERT_TRUE(again) << again.error();
    EXPECT_EQ((*again)->translate_user(0x10000, 1), (*memory)->translate_user(0x10000, 1));
    pieces[1].extent.writable = true;
    const auto writable = build_memory(pieces, **memory);
    ASSERT_TRUE(writable) << writable.error();
    EXPECT_NE((*writable)->translate_user(0x20000, 1, Access::write), nullptr);
    EXPECT_NE((*writable)->translate_user(0x20000, 1), (*memory)->translate_user(0x20000, 1));
}

TEST(VduseMemory, AnonymousInodesOfTheKernelAreMappedOnlyOnRequest) {
    // An example of such a file, though one that cannot be mapped.
    const UniqueFd made(::eventfd(0, EFD_CLOEXEC));
    EXPECT_TRUE(Mapping::is_kernel_made(made.get()));
    const UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
    EXPECT_FALSE(Mapping::is_kernel_made(file.get()));
    const auto refused = Mapping::map(made.get(), 0, 4096);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().find("neither a file nor a device"), std::string::npos);
    const auto tried = Mapping::map(made.get(), 0, 4096, {.kernel_made = true});
    ASSERT_FALSE(tried);
    EXPECT_NE(tried.error().find("cannot map"), std::string::npos) << tried.error();
}

class VduseRecord : public testing::Test {
  protected:
    VduseRecord() { config_.resize(96, std::byte{3}); }
    [[nodiscard]] Shape shape() const {
        return {.name = "disk",
                .device_id = 2,
                .vendor_id = 5,
                .features = 0x300,
                .queues = 2,
                .queue_size = 8,
                .config = config_};
    }
    [[nodiscard]] std::string folder() const { return folder_ / "state"; }
    [[nodiscard]] std::string path() const { return folder_ / "state/vduse-disk"; }

    test::TemporaryFolder folder_;
    std::vector<std::byte> config_;
};

TEST_F(VduseRecord, FitsOnlyTheDeviceItWasWrittenFor) {
    {
        auto record = Record::open(folder(), "disk");
        ASSERT_TRUE(record) << record.error();
        EXPECT_FALSE(record->fits(shape()));
        ASSERT_TRUE(record->write(shape()));
        EXPECT_TRUE(record->fits(shape()));
    }
    auto record = Record::open(folder(), "disk");
    ASSERT_TRUE(record) << record.error();
    EXPECT_TRUE(record->fits(shape()));
    auto other = shape();
    other.queues = 1;
    EXPECT_FALSE(record->fits(other));
    other = shape();
    other.features = 0x301;
    EXPECT_FALSE(record->fits(other));
    other = shape();
    other.name = "disc";
    EXPECT_FALSE(record->fits(other));
    config_[5] = std::byte{4};
    EXPECT_FALSE(record->fits(shape()));
}

TEST_F(VduseRecord, KeepsRequestsInFlightForTheNextProcessUntilCleared) {
    {
        auto record = Record::open(folder(), "disk");
        ASSERT_TRUE(record) << record.error();
        ASSERT_TRUE(record->write(shape()));
        const auto area = record->area(shape());
        ASSERT_TRUE(area) << area.error();
        auto queue = (*area)->queue(1);
        EXPECT_TRUE(queue.fresh());
        EXPECT_TRUE(queue.recover(0, 8).empty());
        queue.take(5);
    }
    auto record = Record::open(folder(), "disk");
    ASSERT_TRUE(record) << record.error();
    ASSERT_TRUE(record->fits(shape()));
    const auto area = record->area(shape());
    ASSERT_TRUE(area) << area.error();
    EXPECT_TRUE((*area)->queue(0).fresh());
    EXPECT_FALSE((*area)->queue(1).fresh());
    EXPECT_EQ((*area)->queue(1).recover(0, 8), std::vector<std::uint16_t>{5});
    ASSERT_TRUE(record->clear(shape()));
    EXPECT_TRUE(record->fits(shape()));
    EXPECT_TRUE((*area)->queue(1).fresh());
    EXPECT_TRUE((*area)->queue(1).recover(0, 8).empty());
}

TEST_F(VduseRecord, BelongsToOneProcessAtATime) {
    const auto record = Record::open(folder(), "disk");
    ASSERT_TRUE(record) << record.error();
    const auto second = Record::open(folder(), "disk");
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find("another process serves"), std::string::npos) << second.error();
    EXPECT_TRUE(Record::open(folder(), "other"));
}

TEST_F(VduseRecord, RemoveDeletesTheFile) {
    auto record = Record::open(folder(), "disk");
    ASSERT_TRUE(record) << record.error();
    record->remove();
    EXPECT_NE(::access(path().c_str(), F_OK), 0);
    EXPECT_TRUE(Record::open(folder(), "disk"));
}

TEST_F(VduseRecord, IsRefusedIfOtherUsersCanWriteIt) {
    ASSERT_EQ(::mkdir(folder().c_str(), 0700), 0);
    ASSERT_EQ(::chmod(folder().c_str(), 0777), 0);
    const auto open_folder = Record::open(folder(), "disk");
    ASSERT_FALSE(open_folder);
    EXPECT_NE(open_folder.error().find("other users can write"), std::string::npos);
    ASSERT_EQ(::chmod(folder().c_str(), 0700), 0);

    ASSERT_EQ(::symlink("/etc/passwd", path().c_str()), 0);
    EXPECT_FALSE(Record::open(folder(), "disk"));
    ASSERT_EQ(::unlink(path().c_str()), 0);
    ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
    EXPECT_FALSE(Record::open(folder(), "disk"));
    ASSERT_EQ(::unlink(path().c_str()), 0);

    ASSERT_TRUE(Record::open(folder(), "disk"));
    ASSERT_EQ(::link(path().c_str(), (folder() + "/also").c_str()), 0);
    EXPECT_FALSE(Record::open(folder(), "disk"));
    ASSERT_EQ(::unlink((folder() + "/also").c_str()), 0);
    ASSERT_EQ(::chmod(path().c_str(), 0666), 0);
    EXPECT_FALSE(Record::open(folder(), "disk"));
}

TEST_F(VduseRecord, ATruncatedOrCorruptRecordFitsNoDevice) {
    auto record = Record::open(folder(), "disk");
    ASSERT_TRUE(record) << record.error();
    ASSERT_TRUE(record->write(shape()));
    ASSERT_EQ(::truncate(path().c_str(), 5000), 0);
    EXPECT_FALSE(record->fits(shape()));
    ASSERT_TRUE(record->write(shape()));
    const UniqueFd fd(::open(path().c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(fd.get(), "X", 1, 20), 1);
    EXPECT_FALSE(record->fits(shape()));
}

TEST(VduseName, MustBeAValidFileName) {
    for (const char* good : {"a", "disk0", "A_b.c-9", "-", "a..b"})
        EXPECT_FALSE(bad_name(good)) << good;
    EXPECT_FALSE(bad_name(std::string(63, 'x')));
    for (const char* bad : {"", ".", "..", ".a", "a/b", "a b", "a\n", "\xc3\xa4", "control"})
        EXPECT_TRUE(bad_name(bad)) << bad;
    EXPECT_TRUE(bad_name(std::string(64, 'x')));
}

}  // namespace
}  // namespace zonebridge::virtio::vduse
