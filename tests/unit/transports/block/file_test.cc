// The block transport on plain files, because an unprivileged test has no block devices: in
// /var/tmp (mostly ext4, with direct I/O) and on tmpfs. tests/guest/block.sh uses real block
// devices, also zoned ones, in a guest.
#include <array>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "base/size.h"
#include "base/unique_fd.h"
#include "tests/unit/support/hand_loop.h"
#include "tests/unit/support/temporary.h"
#include "transports/block/block.h"
#include "transports/emulated/emulated.h"
#include "transports/ring.h"

namespace zonebridge::block {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes noise(std::size_t length, unsigned seed = 1) {
    std::mt19937 random(seed);
    Bytes bytes(length);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    return bytes;
}

DeviceOptions with(bool writable, bool force = false) {
    DeviceOptions options;
    options.writable = writable;
    options.force = force;
    return options;
}

class BlockFile : public ::testing::TestWithParam<const char*> {
  protected:
    BlockFile() : folder(GetParam()), path(folder / "disk"), content(noise(4 * MiB)) {
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(content.data()),
                   static_cast<std::streamsize>(content.size()));
        auto made = Ring::create(64);
        if (!made) throw std::runtime_error(made.error().message);
        ring = std::move(*made);
    }

    void open(bool writable, std::size_t depth = 16) {
        auto opened = block::open(path, with(writable));
        ASSERT_TRUE(opened) << opened.error().message;
        disk = std::move(*opened);
        auto made = disk->open_queue(*ring, {.depth = depth});
        ASSERT_TRUE(made) << made.error().message;
        queue = std::move(*made);
    }

    std::vector<Completion> run(std::span<const Request> requests) {
        std::vector<Completion> done;
        std::size_t taken = 0;
        while (done.size() < requests.size()) {
            taken += queue->submit(requests.subspan(taken));
            if (!ring->turn(Loop::Wait::sleep)) throw std::runtime_error("the ring failed");
            std::array<Completion, 8> some;
            const auto count = queue->reap(some);
            done.insert(done.end(), some.begin(), some.begin() + static_cast<long>(count));
        }
        return done;
    }
    Status run(Operation operation, std::uint64_t offset, std::span<const iovec> data,
               bool fua = false) {
        std::uint64_t length = 0;
        for (const auto& buffer : data) length += buffer.iov_len;
        const Request request{
            .operation = operation, .fua = fua, .offset = offset, .length = length, .data = data};
        return run({&request, 1}).front().status;
    }

    [[nodiscard]] Bytes on_disk() const {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    test::TemporaryFolder folder;
    std::string path;
    Bytes content;
    std::unique_ptr<Ring> ring;
    std::unique_ptr<Transport> disk;
    std::unique_ptr<Queue> queue;  // destroyed first
};

// A buffer with the largest alignment that direct I/O needs or, with `skew`, with less.
struct Aligned {
    explicit Aligned(std::size_t length, std::size_t skew = 0)
        : memory(length + 8192, 0xEE), length(length) {
        const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
        start = &memory[(4096 - address % 4096) % 4096 + skew];
    }
    [[nodiscard]] iovec segment() const { return {start, length}; }
    [[nodiscard]] Bytes bytes() const { return {start, start + length}; }

    Bytes memory;
    std::size_t length;
    std::uint8_t* start;
};

TEST_P(BlockFile, IsADiskWithoutZones) {
    open(false);
    const auto& limits = disk->limits();
    EXPECT_EQ(limits.model, Model::none);
    EXPECT_EQ(limits.size(), 4 * MiB);
    EXPECT_TRUE(limits.read_only);
    EXPECT_EQ(limits.append, Support::absent);
    EXPECT_EQ(disk->identity().transport, "block");
    EXPECT_EQ(disk->identity().path, path);
    EXPECT_EQ(disk->identity().data_path.find("io_uring"), 0u);
    EXPECT_NE(disk->identity().unique_id, 0u);
    const auto id = disk->identity().unique_id;
    queue.reset();
    open(false);
    EXPECT_EQ(disk->identity().unique_id, id) << "the same disk has the same name";
}

TEST_P(BlockFile, ReadsIntoUnalignedAndScatteredBuffers) {
    open(false);
    const auto expected = [&](std::size_t at, std::size_t length) {
        return Bytes(content.begin() + static_cast<long>(at),
                     content.begin() + static_cast<long>(at + length));
    };
    for (const std::size_t skew : {0, 1, 512}) {
        const Aligned buffer(64 << 10, skew);
        const auto segment = buffer.segment();
        ASSERT_TRUE(run(Operation::read, 8192, {&segment, 1}).ok());
        EXPECT_EQ(buffer.bytes(), expected(8192, 64 << 10)) << skew;
    }
    // Pieces of odd lengths whose sum is whole blocks.
    const Aligned first(4096, 3);
    const Aligned second(5000, 7);
    const Aligned third(8192 - 5000, 0);
    const std::array<iovec, 3> pieces{first.segment(), second.segment(), third.segment()};
    ASSERT_TRUE(run(Operation::read, MiB, pieces).ok());
    auto all = first.bytes();
    for (const auto* part : {&second, &third}) {
        const auto bytes = part->bytes();
        all.insert(all.end(), bytes.begin(), bytes.end());
    }
    EXPECT_EQ(all, expected(MiB, 12288));
}

TEST_P(BlockFile, WritesChangeOnlyTheirRange) {
    open(true);
    auto expected = content;
    std::uint64_t at = 4096;
    for (const std::size_t skew : {0, 1, 512}) {
        for (const bool fua : {false, true}) {
            const Aligned buffer(20480, skew);
            const auto bytes = noise(20480, static_cast<unsigned>(at));
            std::memcpy(buffer.start, bytes.data(), bytes.size());
            const auto segment = buffer.segment();
            ASSERT_TRUE(run(Operation::write, at, {&segment, 1}, fua).ok());
            std::copy(bytes.begin(), bytes.end(), expected.begin() + static_cast<long>(at));
            at += 65536;
        }
    }
    ASSERT_TRUE(run(Operation::flush, 0, {}).ok());
    queue.reset();
    ASSERT_TRUE(disk->close());
    EXPECT_EQ(on_disk(), expected);
}

TEST_P(BlockFile, ClearsOnlyTheGivenRange) {
    open(true);
    const auto block = disk->limits().logical_block_size;
    const auto clear = [&](Operation operation, std::uint64_t offset, std::uint64_t length,
                           bool may_unmap = false) {
        const Request request{
            .operation = operation, .may_unmap = may_unmap, .offset = offset, .length = length};
        return run({&request, 1}).front().status.code;
    };
    auto expected = content;
    const auto zeroes = [&](std::uint64_t at, std::uint64_t length) {
        std::fill_n(expected.begin() + static_cast<long>(at), length, std::uint8_t{0});
    };
    EXPECT_EQ(clear(Operation::write_zeroes, block, MiB), StatusCode::ok);
    zeroes(block, MiB);
    EXPECT_EQ(clear(Operation::write_zeroes, 2 * MiB, 64 << 10, true), StatusCode::ok);
    zeroes(2 * MiB, 64 << 10);
    EXPECT_EQ(clear(Operation::write_zeroes, 4 * MiB - block, block), StatusCode::ok);
    zeroes(4 * MiB - block, block);
    EXPECT_EQ(clear(Operation::discard, 3 * MiB, 64 << 10), StatusCode::ok);
    EXPECT_EQ(clear(Operation::discard, 4 * MiB, block), StatusCode::out_of_range);
    EXPECT_EQ(clear(Operation::discard, block / 2, block), StatusCode::misaligned);
    queue.reset();
    ASSERT_TRUE(disk->close());
    auto found = on_disk();
    // Discarded bytes are undefined.
    for (auto* bytes : {&found, &expected})
        std::fill_n(bytes->begin() + 3 * MiB, 64 << 10, std::uint8_t{0});
    EXPECT_EQ(found, expected);
    EXPECT_EQ(found.size(), 4 * MiB) << "the file keeps its length";
}

TEST_P(BlockFile, MoreUnalignedRequestsThanBounceBuffersAllComplete) {
    open(true, 64);
    std::vector<Aligned> buffers;
    std::vector<iovec> segments;
    std::vector<Request> requests;
    for (unsigned i = 0; i < 64; ++i) {
        buffers.emplace_back(8192, 1 + i % 3);
        const auto bytes = noise(8192, i);
        std::memcpy(buffers.back().start, bytes.data(), bytes.size());
        segments.push_back(buffers.back().segment());
    }
    for (unsigned i = 0; i < 64; ++i)
        requests.push_back({.tag = i,
                            .operation = Operation::write,
                            .offset = std::uint64_t{i} * 8192,
                            .length = 8192,
                            .data = {&segments[i], 1}});
    std::uint64_t seen = 0;
    for (const auto& done : run(requests)) {
        EXPECT_TRUE(done.status.ok());
        seen |= std::uint64_t{1} << done.tag;
    }
    EXPECT_EQ(seen, ~std::uint64_t{0});
    const auto bytes = on_disk();
    for (unsigned i = 0; i < 64; ++i)
        EXPECT_TRUE(
            std::equal(bytes.begin() + i * 8192, bytes.begin() + (i + 1) * 8192, buffers[i].start))
            << i;
}

TEST_P(BlockFile, AReadPastTheEndOfATruncatedFileFails) {
    open(false);
    std::filesystem::resize_file(path, MiB);
    const Aligned buffer(65536);
    const auto segment = buffer.segment();
    const auto beyond = run(Operation::read, 2 * MiB, {&segment, 1});
    EXPECT_EQ(beyond.code, StatusCode::io_error);
    EXPECT_EQ(run(Operation::read, MiB - 4096, {&segment, 1}).code, StatusCode::io_error);
}

TEST_P(BlockFile, AWritePastTheEndIsRefused) {
    open(true);
    const Aligned buffer(8192);
    const auto segment = buffer.segment();
    EXPECT_EQ(run(Operation::write, 4 * MiB - 4096, {&segment, 1}).code, StatusCode::out_of_range);
    EXPECT_EQ(on_disk(), content);
}

TEST_P(BlockFile, AReadOnlyDiskRefusesWritesAndReportsOfZones) {
    open(false);
    const Aligned buffer(4096);
    const auto segment = buffer.segment();
    EXPECT_EQ(run(Operation::write, 0, {&segment, 1}).code, StatusCode::read_only);
    EXPECT_TRUE(run(Operation::flush, 0, {}).ok());
    const Request report{.operation = Operation::report};
    EXPECT_EQ(run({&report, 1}).front().status.code, StatusCode::unsupported);
}

TEST_P(BlockFile, ClosingWithRequestsInFlightWaitsForTheKernel) {
    open(true, 32);
    std::vector<Aligned> buffers;
    std::vector<iovec> segments;
    std::vector<Request> requests;
    for (unsigned i = 0; i < 32; ++i) buffers.emplace_back(65536, i % 2);
    for (const auto& buffer : buffers) segments.push_back(buffer.segment());
    const Bytes untouched(65536, 0xEE);
    for (unsigned i = 0; i < 32; ++i)
        requests.push_back({.operation = i % 4 == 0 ? Operation::write : Operation::read,
                            .offset = std::uint64_t{i} * 65536,
                            .length = 65536,
                            .data = {&segments[i], 1}});
    ASSERT_EQ(queue->submit(requests), 32u);
    ASSERT_TRUE(ring->turn(Loop::Wait::poll));
    queue.reset();
    // The turn gave the kernel each request with an aligned buffer, so these are complete. One that
    // waited for a bounce buffer may have been withdrawn, but is not done in part.
    const auto file = on_disk();
    for (unsigned i = 0; i < 32; ++i) {
        const auto at = static_cast<long>(requests[i].offset);
        const Bytes old(content.begin() + at, content.begin() + at + 65536);
        if (requests[i].operation == Operation::write)
            EXPECT_TRUE(std::equal(untouched.begin(), untouched.end(), file.begin() + at)) << i;
        else if (i % 2 == 0)
            EXPECT_EQ(buffers[i].bytes(), old) << i;
        else
            EXPECT_TRUE(buffers[i].bytes() == old || buffers[i].bytes() == untouched) << i;
    }
    // The kernel and the ring must not use the buffers from here on.
    const Bytes mark(65536, 0x55);
    for (const auto& buffer : buffers) std::memcpy(buffer.start, mark.data(), mark.size());
    EXPECT_TRUE(ring->turn(Loop::Wait::poll));
    EXPECT_TRUE(disk->close());
    ring.reset();
    for (unsigned i = 0; i < 32; ++i) EXPECT_EQ(buffers[i].bytes(), mark) << i;
    EXPECT_EQ(on_disk(), file);
}

TEST_P(BlockFile, HasOneWriterEvenIfForced) {
    open(true);
    const auto second = block::open(path, with(true));
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("in use by process"), std::string::npos)
        << second.error().message;
    EXPECT_TRUE(block::open(path, with(false)));
    EXPECT_FALSE(block::open(path, with(true, true))) << "a lock is no leftover";
}

// After io_uring requests, the kernel may hold the open file for a while.
TEST_P(BlockFile, CanBeReopenedForWritingWhileTheOldOpenFileExists) {
    open(true);
    std::optional<UniqueFd> held;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code failed;
        if (std::filesystem::read_symlink(entry, failed) != path) continue;
        held = UniqueFd(::dup(std::stoi(entry.path().filename())));
    }
    ASSERT_TRUE(held);
    queue.reset();
    disk.reset();
    const auto again = block::open(path, with(true));
    EXPECT_TRUE(again) << again.error().message;
}

TEST_P(BlockFile, AnEmulatedDisksFileIsRefusedUnlessForced) {
    const auto image = folder / "image";
    emulated::Shape shape;
    shape.size = 16 * MiB;
    shape.zone_size = MiB;
    ASSERT_TRUE(emulated::create(image, shape));
    for (const auto writable : {false, true}) {
        const auto refused = block::open(image, with(writable));
        ASSERT_FALSE(refused);
        const auto& words = refused.error().message;
        EXPECT_NE(words.find("emulated:" + image), std::string::npos) << words;
        // Commands that only read have no --force.
        EXPECT_EQ(words.find("--force") != std::string::npos, writable) << words;
    }
    EXPECT_TRUE(block::open(image, with(false, true)));
}

TEST_P(BlockFile, RefusesPathsThatAreNoDisk) {
    const auto message = [](const std::string& what) {
        const auto opened = block::open(what, {});
        return opened ? std::string("opened") : opened.error().message;
    };
    EXPECT_NE(message(folder.path().string()).find("is a directory"), std::string::npos);
    EXPECT_NE(message("/dev/null").find("character device"), std::string::npos);
    EXPECT_NE(message(folder / "missing").find("No such file"), std::string::npos);
    std::ofstream(folder / "odd") << "not whole blocks";
    EXPECT_NE(message(folder / "odd").find("16 bytes"), std::string::npos);
    std::ofstream(folder / "empty").close();
    EXPECT_NE(message(folder / "empty").find("0 bytes"), std::string::npos);
}

TEST_P(BlockFile, TheBlockSizeFitsAnOddFileSize) {
    std::filesystem::resize_file(path, MiB + 512);
    open(false);
    EXPECT_EQ(disk->limits().logical_block_size, 512u);
    EXPECT_EQ(disk->limits().size(), MiB + 512);
    const Aligned buffer(512);
    const auto segment = buffer.segment();
    EXPECT_TRUE(run(Operation::read, MiB, {&segment, 1}).ok());
    EXPECT_EQ(buffer.bytes(), Bytes(content.begin() + MiB, content.begin() + MiB + 512));
}

TEST_P(BlockFile, RefusesALoopThatIsNoRing) {
    open(false);
    test::HandLoop loop;
    const auto made = disk->open_queue(loop, {});
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message.find("io_uring"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Places, BlockFile, ::testing::Values("/var/tmp", "/dev/shm"));

}  // namespace
}  // namespace zonebridge::block
