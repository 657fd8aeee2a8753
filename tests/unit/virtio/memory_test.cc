#include "virtio/memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "tests/unit/virtio/ring_pair.h"

namespace zonebridge::virtio {
namespace {

class Memory : public testing::Test {
  protected:
    Memory() {
        // Two adjacent regions, a gap, and a third region. The first starts at an offset in its
        // file.
        EXPECT_TRUE(shared_.add(0x10000, 0x2000, 0x5000));
        EXPECT_TRUE(shared_.add(0x12000, 0x1000));
        EXPECT_TRUE(shared_.add(0x20000, 0x1000));
    }

    [[nodiscard]] tl::expected<GuestMemory::Table, std::string> build(
        const std::vector<MemoryRegion>& regions) const {
        std::vector<MemoryRegionSource> sources;
        for (const auto& region : regions) sources.push_back({region, shared_.regions()[0].fd});
        return GuestMemory::build(sources, *GuestMemory::none());
    }

    driver::SharedMemory shared_;
};

TEST_F(Memory, TranslatesEveryByteOfEveryRegionAndNothingElse) {
    const auto table = table_of(shared_);
    GuestMemory::Hint hint;
    for (const std::uint64_t address :
         {0x10000ull, 0x11fffull, 0x12000ull, 0x12fffull, 0x20000ull, 0x20fffull, 0x10001ull}) {
        *shared_.at(address) = static_cast<std::byte>(address >> 4);
        std::byte* const here = table->translate(address, 1, hint);
        ASSERT_NE(here, nullptr) << std::hex << address;
        EXPECT_EQ(*here, *shared_.at(address));
        EXPECT_EQ(table->guest_address(here), address);
    }
    for (const std::uint64_t address : {0ull, 0xffffull, 0x13000ull, 0x1ffffull, 0x21000ull, ~0ull})
        EXPECT_EQ(table->translate(address, 1, hint), nullptr) << std::hex << address;
    EXPECT_EQ(table->end(), 0x21000u);
}

TEST_F(Memory, ARangeMustStayInItsRegion) {
    const auto table = table_of(shared_);
    GuestMemory::Hint hint;
    EXPECT_NE(table->translate(0x10000, 0x2000, hint), nullptr);
    EXPECT_EQ(table->translate(0x10000, 0x2001, hint), nullptr);
    EXPECT_EQ(table->translate(0x11fff, 2, hint), nullptr);
    EXPECT_EQ(table->translate(0x11fff, ~0ull, hint), nullptr);
    EXPECT_NE(table->translate(0x20fff, 1, hint), nullptr);
    EXPECT_EQ(table->translate(0x20fff, 2, hint), nullptr);
}

TEST_F(Memory, ARangeMayCrossAdjacentRegionsButNoGap) {
    const auto table = table_of(shared_);
    GuestMemory::Hint hint;
    std::array<iovec, 4> pieces{};
    ASSERT_EQ(table->translate_pieces(0x11f00, 0x300, pieces, hint), 2u);
    EXPECT_EQ(pieces[0].iov_len, 0x100u);
    EXPECT_EQ(pieces[1].iov_len, 0x200u);
    EXPECT_EQ(table->guest_address(pieces[1].iov_base), 0x12000u);
    EXPECT_EQ(table->translate_pieces(0x12f00, 0x101, pieces, hint), std::nullopt);
    EXPECT_EQ(table->translate_pieces(0x11f00, 0x300, std::span(pieces).first(1), hint),
              std::nullopt);
    EXPECT_EQ(table->translate_pieces(~0ull, 2, pieces, hint), std::nullopt);
}

TEST_F(Memory, ReadsAcrossAdjacentRegions) {
    const auto table = table_of(shared_);
    std::memcpy(shared_.at(0x11ffc), "abcd", 4);
    std::memcpy(shared_.at(0x12000), "efgh", 4);
    std::array<char, 8> out{};
    GuestMemory::Hint hint;
    ASSERT_TRUE(table->read(0x11ffc, std::as_writable_bytes(std::span(out)), hint));
    EXPECT_EQ(std::string(out.begin(), out.end()), "abcdefgh");
    EXPECT_FALSE(table->read(0x12ffc, std::as_writable_bytes(std::span(out)), hint));
}

TEST_F(Memory, UserAddressesTranslateToTheSameBytes) {
    const auto& region = shared_.regions()[0];
    constexpr std::uint64_t user = 0x7f00'0000'0000;
    const auto table = build({{region.guest_address, region.size, user, region.mmap_offset}});
    ASSERT_TRUE(table) << table.error();
    region.host[0x123] = std::byte{0x77};
    ASSERT_NE((*table)->translate_user(user + 0x123, 1), nullptr);
    EXPECT_EQ(*(*table)->translate_user(user + 0x123, 1), std::byte{0x77});
    EXPECT_NE((*table)->translate_user(user, region.size), nullptr);
    EXPECT_EQ((*table)->translate_user(user, region.size + 1), nullptr);
    EXPECT_EQ((*table)->translate_user(user + region.size, 1), nullptr);
    EXPECT_EQ((*table)->translate_user(user - 1, 1), nullptr);
}

TEST_F(Memory, RefusesInvalidRegionsWithAReason) {
    const struct {
        const char* what;
        std::vector<MemoryRegion> regions;
        const char* says;
    } cases[] = {
        {"empty", {{0x1000, 0, 0x1000, 0}}, "empty"},
        {"guest overflow", {{~0ull - 0x100, 0x1000, 0x1000, 0}}, "guest addresses overflow"},
        {"user overflow", {{0x1000, 0x1000, ~0ull - 0x100, 0}}, "user addresses overflow"},
        {"offset overflow", {{0x1000, 0x1000, 0x1000, ~0ull - 0xfff}}, "overflow"},
        {"size and offset overflow", {{0x1000, 0x7fffffffffffffff, 0x1000, 0x1000}}, "overflow"},
        {"past the file", {{0x1000, 0x1000, 0x1000, 0x7000}}, "past the end"},
        {"one byte too long", {{0x1000, 0x7001, 0x1000, 0}}, "past the end"},
        {"overlap", {{0x1000, 0x2000, 0x10000, 0}, {0x2fff, 0x1000, 0x20000, 0}}, "overlap"},
        {"same twice", {{0x1000, 0x1000, 0x10000, 0}, {0x1000, 0x1000, 0x20000, 0}}, "overlap"},
    };
    for (const auto& one : cases) {
        const auto table = build(one.regions);
        ASSERT_FALSE(table) << one.what;
        EXPECT_NE(table.error().find(one.says), std::string::npos) << table.error();
    }
}

TEST_F(Memory, RefusesDescriptorsThatAreNotAFile) {
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    const UniqueFd in(pipe[0]);
    const UniqueFd out(pipe[1]);
    for (const int fd : {in.get(), -1}) {
        const MemoryRegionSource source{{0x1000, 0x1000, 0x1000, 0}, fd};
        EXPECT_FALSE(GuestMemory::build(std::span(&source, 1), *GuestMemory::none()));
    }
    const UniqueFd directory(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const MemoryRegionSource source{{0x1000, 0x1000, 0x1000, 0}, directory.get()};
    EXPECT_FALSE(GuestMemory::build(std::span(&source, 1), *GuestMemory::none()));
}

TEST_F(Memory, RefusesAReadOnlyFile) {
    const auto path = "/proc/self/fd/" + std::to_string(shared_.regions()[0].fd);
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(fd);
    const MemoryRegionSource source{{0x1000, 0x1000, 0x1000, 0}, fd.get()};
    EXPECT_FALSE(GuestMemory::build(std::span(&source, 1), *GuestMemory::none()));
}

TEST_F(Memory, ANewTableReusesTheMappingsOfUnchangedRegions) {
    const auto table = table_of(shared_);
    GuestMemory::Hint hint;
    const auto again = GuestMemory::build(sources_of(shared_), *table);
    ASSERT_TRUE(again) << again.error();
    EXPECT_EQ(table->translate(0x10000, 1, hint), (*again)->translate(0x10000, 1, hint));

    const auto gone = sources_of(shared_)[0].region;
    const auto smaller = table->without(gone);
    ASSERT_TRUE(smaller) << smaller.error();
    hint = {};
    EXPECT_EQ((*smaller)->translate(0x10000, 1, hint), nullptr);
    GuestMemory::Hint other;
    EXPECT_EQ(table->translate(0x12000, 1, other), (*smaller)->translate(0x12000, 1, hint));
    EXPECT_FALSE((*smaller)->without(gone)) << "the region was removed already";

    const auto larger = (*smaller)->with(sources_of(shared_)[0]);
    ASSERT_TRUE(larger) << larger.error();
    hint = {};
    EXPECT_NE((*larger)->translate(0x10000, 1, hint), nullptr);
    EXPECT_FALSE((*larger)->with(sources_of(shared_)[0])) << "the region was added already";
}

TEST_F(Memory, RemovingARegionRequiresItsExactAddressesAndSize) {
    const auto table = table_of(shared_);
    auto region = sources_of(shared_)[1].region;
    region.size /= 2;
    EXPECT_FALSE(table->without(region));
    region.size *= 2;
    region.user_address += 0x1000;
    EXPECT_FALSE(table->without(region));
    region.user_address -= 0x1000;
    region.mmap_offset = 0x4000;  // ignored
    EXPECT_TRUE(table->without(region));
}

TEST_F(Memory, AcceptsTheMaximumOfRegionsAndRefusesMore) {
    auto table = GuestMemory::none();
    const int fd = shared_.regions()[2].fd;
    for (std::size_t i = 0; i < GuestMemory::max_regions; ++i) {
        auto next = table->with({{0x10000 * i, 0x1000, 0x7f0000000000 + 0x1000 * i, 0}, fd});
        ASSERT_TRUE(next) << i << next.error();
        table = *next;
    }
    EXPECT_FALSE(table->with({{0x10000ull << 20, 0x1000, 0x1000, 0}, fd}));
    GuestMemory::Hint hint;
    for (std::size_t i = 0; i < GuestMemory::max_regions; ++i)
        EXPECT_NE(table->translate(0x10000 * i + 0xfff, 1, hint), nullptr);
}

}  // namespace
}  // namespace zonebridge::virtio
