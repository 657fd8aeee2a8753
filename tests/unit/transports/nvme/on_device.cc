// The bare transport on a real namespace. Run as `nvme_on_device /dev/ngXnY any|ioctl|io_uring
// [--gtest...]`. The tests reset and write the zones.
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "layers/all_zones/all_zones.h"
#include "transports/nvme/nvme.h"
#include "transports/ring.h"

namespace zonebridge::nvme {
namespace {

std::string device_path;
DataPath data_path = DataPath::any;

struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
};
using Memory = std::unique_ptr<std::uint8_t, Free>;

Memory pages(std::size_t size) {
    auto* memory =
        static_cast<std::uint8_t*>(std::aligned_alloc(4096, (size + 8191) / 4096 * 4096));
    return Memory(memory);
}

void fill(std::span<std::uint8_t> data, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (auto& byte : data) byte = static_cast<std::uint8_t>(random());
}

class OnDevice : public ::testing::Test {
  protected:
    void SetUp() override {
        auto ring = Ring::create();
        ASSERT_TRUE(ring) << ring.error().message;
        ring_ = std::move(*ring);
        auto opened = open(device_path, {.writable = true, .data_path = data_path, .reason = {}});
        ASSERT_TRUE(opened) << opened.error().message;
        // This layer replaces OPEN of all zones: devices open some zones before they refuse.
        transport_ = complete_all(std::move(*opened));
        open_queue(128);
        if (limits().model == Model::none) GTEST_SKIP() << "the namespace has no zones";
        ASSERT_TRUE(run({.operation = Operation::reset, .scope = Scope::all}).status.ok());
    }

    void open_queue(std::size_t depth) {
        auto queue = transport_->open_queue(*ring_, {.depth = depth});
        ASSERT_TRUE(queue) << queue.error().message;
        queue_ = std::move(*queue);
    }

    const Limits& limits() const { return transport_->limits(); }
    const Layout& layout() const { return limits().layout; }

    std::vector<Completion> run(std::span<const Request> requests) {
        std::vector<Completion> all(requests.size());
        std::size_t sent = 0;
        std::size_t done = 0;
        while (done < requests.size()) {
            sent += queue_->submit(requests.subspan(sent));
            EXPECT_TRUE(ring_->turn(Loop::Wait::sleep));
            std::array<Completion, 16> some;
            while (const auto count = queue_->reap(some)) {
                for (const auto& one : std::span(some).first(count)) all.at(one.tag) = one;
                done += count;
            }
        }
        return all;
    }
    Completion run(Request request) {
        request.tag = 0;
        return run({&request, 1}).front();
    }
    Completion move(Operation operation, std::uint64_t offset, std::span<const iovec> data,
                    bool fua = false) {
        Request request{.operation = operation, .fua = fua, .offset = offset, .data = data};
        for (const auto& one : data) request.length += one.iov_len;
        return run(request);
    }
    Completion act(Operation operation, std::uint32_t zone, std::uint32_t count = 1) {
        return run({.operation = operation,
                    .offset = layout().start_of(zone),
                    .length = layout().zone_size() * count});
    }
    Zone zone_at(std::uint32_t zone) {
        Zone found;
        const auto done = run({.operation = Operation::report,
                               .offset = layout().start_of(zone),
                               .zones = {&found, 1}});
        EXPECT_TRUE(done.status.ok()) << explain(done.status.code);
        return found;
    }

    std::unique_ptr<Ring> ring_;
    std::unique_ptr<Transport> transport_;
    std::unique_ptr<Queue> queue_;
};

TEST_F(OnDevice, ReportsItsDataPath) {
    const auto& identity = transport_->identity();
    EXPECT_EQ(identity.transport, "nvme");
    EXPECT_EQ(identity.data_path,
              data_path == DataPath::ioctl ? "ioctls (libnvme)" : "io_uring commands");
}

TEST_F(OnDevice, TheLargestRequestWorksAtAnyAlignment) {
    const auto size = std::min(limits().max_transfer, layout().zone_capacity());
    std::uint32_t zone = 0;
    for (const std::size_t shift : {0U, 4U, 512U, 1U, 4095U}) {
        const auto out = pages(size + shift);
        const auto in = pages(size + shift);
        fill({out.get() + shift, size}, shift);
        const iovec from{out.get() + shift, size};
        const iovec to{in.get() + shift, size};
        const auto offset = layout().start_of(zone++);
        const auto wrote = move(Operation::write, offset, {&from, 1});
        ASSERT_TRUE(wrote.status.ok()) << shift << to_string(wrote.status.cause);
        const auto read = move(Operation::read, offset, {&to, 1});
        ASSERT_TRUE(read.status.ok()) << shift << to_string(read.status.cause);
        EXPECT_EQ(std::memcmp(from.iov_base, to.iov_base, size), 0) << shift;
        ASSERT_TRUE(act(Operation::finish, zone - 1).status.ok());
    }
}

TEST_F(OnDevice, ARequestTakesManyBuffersOfAnySizeAndAlignment) {
    const auto size = std::min(limits().max_transfer, layout().zone_capacity());
    std::mt19937 random(1);
    std::uint32_t zone = 0;
    for (const std::size_t piece : {64U, 512U, 4096U, 1000U, 4U}) {
        const auto most = std::min<std::size_t>(limits().max_segments, 1024);
        const auto count = std::min(size / piece, most);
        auto length = count * piece;
        length -= length % limits().logical_block_size;
        const auto out = pages(size * 3 + (most + 1) * 64);
        const auto in = pages(size * 3 + (most + 1) * 64);
        fill({out.get(), size * 3}, piece);
        std::vector<iovec> from;
        std::vector<iovec> to;
        std::size_t place = 0;
        for (auto rest = length; rest != 0;) {
            const auto part = std::min<std::size_t>(piece, rest);
            if (piece != 4096) place += random() % 17;
            from.push_back({out.get() + place, part});
            to.push_back({in.get() + place, part});
            place += part;
            rest -= part;
        }
        ASSERT_LE(from.size(), most);
        const auto offset = layout().start_of(zone++);
        const auto wrote = move(Operation::write, offset, from);
        ASSERT_TRUE(wrote.status.ok()) << piece << " " << to_string(wrote.status.cause);
        const auto read = move(Operation::read, offset, to);
        ASSERT_TRUE(read.status.ok()) << piece << " " << to_string(read.status.cause);
        for (std::size_t i = 0; i < from.size(); ++i)
            ASSERT_EQ(std::memcmp(from[i].iov_base, to[i].iov_base, from[i].iov_len), 0)
                << piece << " " << i;
        ASSERT_TRUE(act(Operation::finish, zone - 1).status.ok());
    }
}

TEST_F(OnDevice, ConcurrentAppendsReportTheirOffsets) {
    constexpr std::size_t count = 128;
    const std::size_t block = limits().logical_block_size;
    const auto data = pages(count * block);
    fill({data.get(), count * block}, 3);
    std::vector<iovec> buffers(count);
    std::vector<Request> requests(count);
    for (std::size_t i = 0; i < count; ++i) {
        buffers[i] = {data.get() + i * block, block};
        requests[i] = {.tag = i,
                       .operation = Operation::append,
                       .fua = i % 3 == 0,
                       .offset = layout().start_of(i % 2),
                       .length = block,
                       .data = {&buffers[i], 1}};
    }
    std::map<std::uint64_t, std::size_t> places;
    for (const auto& done : run(requests)) {
        ASSERT_TRUE(done.status.ok()) << to_string(done.status.cause);
        EXPECT_TRUE(places.emplace(done.result, done.tag).second) << done.result;
        EXPECT_EQ(layout().zone_of(done.result), done.tag % 2);
    }
    for (const std::uint32_t zone : {0U, 1U}) {
        EXPECT_EQ(zone_at(zone).write_pointer, layout().start_of(zone) + count / 2 * block);
        for (std::size_t i = 0; i < count / 2; ++i)
            EXPECT_TRUE(places.contains(layout().start_of(zone) + i * block));
    }
    std::vector<std::uint8_t> back(block);
    for (const auto& [place, tag] : places) {
        const iovec to{back.data(), block};
        ASSERT_TRUE(move(Operation::read, place, {&to, 1}).status.ok());
        EXPECT_EQ(std::memcmp(back.data(), buffers[tag].iov_base, block), 0) << place;
    }
}

TEST_F(OnDevice, TheLargestAppendWorks) {
    const auto size = std::min(limits().max_append, layout().zone_capacity());
    const auto data = pages(size + 100);
    const iovec from{data.get() + 100, size};
    const auto done = move(Operation::append, layout().start_of(2), {&from, 1});
    EXPECT_TRUE(done.status.ok()) << to_string(done.status.cause);
    EXPECT_EQ(done.result, layout().start_of(2));
}

TEST_F(OnDevice, ConcurrentReportsAllSucceed) {
    std::array<std::vector<Zone>, 16> found;
    std::vector<Request> requests;
    for (std::size_t i = 0; i < found.size(); ++i) {
        found[i].resize(layout().zone_count() + 1);
        requests.push_back({.tag = i,
                            .operation = Operation::report,
                            .offset = layout().start_of(static_cast<std::uint32_t>(i)) + 7,
                            .zones = found[i]});
    }
    for (const auto& done : run(requests)) {
        ASSERT_TRUE(done.status.ok());
        ASSERT_EQ(done.result, layout().zone_count() - done.tag);
        for (std::size_t i = 0; i < done.result; ++i) {
            const auto number = static_cast<std::uint32_t>(done.tag + i);
            EXPECT_EQ(found[done.tag][i].start, layout().start_of(number));
            EXPECT_EQ(found[done.tag][i].state, ZoneState::empty);
        }
    }
}

TEST_F(OnDevice, ARangeStopsAtItsFirstFailure) {
    ASSERT_TRUE(act(Operation::finish, 3).status.ok());
    const auto done = act(Operation::open, 1, 4);
    EXPECT_EQ(done.status.code, StatusCode::invalid_transition);
    EXPECT_EQ(done.result, 2U);
    EXPECT_EQ(zone_at(2).state, ZoneState::explicit_open);
    EXPECT_EQ(zone_at(4).state, ZoneState::empty);
    const auto reset = act(Operation::reset, 0, 5);
    EXPECT_TRUE(reset.status.ok());
    EXPECT_EQ(reset.result, 5U);
}

TEST_F(OnDevice, OpenOfAllOpensAllClosedZonesOrNone) {
    const std::size_t block = limits().logical_block_size;
    const auto data = pages(block);
    const iovec from{data.get(), block};
    const auto close_written = [&](std::uint32_t zone) {
        ASSERT_TRUE(move(Operation::append, layout().start_of(zone), {&from, 1}).status.ok());
        ASSERT_TRUE(act(Operation::close, zone).status.ok());
    };
    for (const std::uint32_t zone : {1U, 4U, 6U}) close_written(zone);
    ASSERT_TRUE(act(Operation::open, 2).status.ok());
    ASSERT_TRUE(run({.operation = Operation::open, .scope = Scope::all}).status.ok());
    for (const std::uint32_t zone : {1U, 2U, 4U, 6U})
        EXPECT_EQ(zone_at(zone).state, ZoneState::explicit_open) << zone;
    EXPECT_EQ(zone_at(0).state, ZoneState::empty);

    const auto most_open = limits().max_open.value_or(layout().zone_count());
    const auto most_closed =
        std::min(limits().max_active.value_or(layout().zone_count()), layout().zone_count());
    if (most_closed <= most_open)
        GTEST_SKIP() << "the second half needs a device that allows more closed zones than open "
                        "ones; this one allows "
                     << most_closed << " and " << most_open;
    ASSERT_TRUE(run({.operation = Operation::reset, .scope = Scope::all}).status.ok());
    for (std::uint32_t zone = 0; zone <= most_open; ++zone) close_written(zone);
    EXPECT_EQ(run({.operation = Operation::open, .scope = Scope::all}).status.code,
              StatusCode::too_many_open);
    for (std::uint32_t zone = 0; zone <= most_open; ++zone)
        EXPECT_EQ(zone_at(zone).state, ZoneState::closed) << zone;
}

TEST_F(OnDevice, RefusalsKeepTheDevicesOwnStatus) {
    const std::size_t block = limits().logical_block_size;
    const auto data = pages(block);
    const iovec one{data.get(), block};
    // Linux's NVMe target writes to a block device of its host. The host's block layer reports each
    // refused write as EIO, so the target knows no reason and answers Internal Error (006h).
    const auto target = transport_->identity().product == "Linux";
    const auto refused = [&](const Completion& done, StatusCode code, std::uint32_t native) {
        if (target && done.status.code == StatusCode::io_error) {
            EXPECT_EQ(done.status.cause, (NativeCause{NativeCause::Source::nvme_status, 0x006}));
            return;
        }
        EXPECT_EQ(done.status.code, code) << to_string(done.status.cause);
        EXPECT_EQ(done.status.cause, (NativeCause{NativeCause::Source::nvme_status, native}));
    };
    refused(move(Operation::write, layout().start_of(1) + block, {&one, 1}),
            StatusCode::unaligned_write, 0x1BC);
    ASSERT_TRUE(act(Operation::finish, 1).status.ok());
    refused(move(Operation::write, layout().start_of(1), {&one, 1}), StatusCode::zone_full, 0x1B9);
    refused(move(Operation::append, layout().start_of(1), {&one, 1}), StatusCode::zone_full, 0x1B9);
    refused(act(Operation::close, 1), StatusCode::invalid_transition, 0x1BF);
    refused(act(Operation::open, 1), StatusCode::invalid_transition, 0x1BF);
}

TEST_F(OnDevice, AQueueClosesWithEverythingInFlight) {
    const std::size_t block = limits().logical_block_size;
    const auto data = pages(block * 128);
    std::vector<iovec> buffers(128);
    std::vector<Request> requests(128);
    std::vector<Zone> zones(layout().zone_count());
    for (std::size_t i = 0; i < 128; ++i) {
        buffers[i] = {data.get() + i * block, block};
        requests[i] = {.tag = i,
                       .operation = i % 2 == 0 ? Operation::append : Operation::read,
                       .offset = layout().start_of(5),
                       .length = block,
                       .data = {&buffers[i], 1}};
    }
    requests[7] = {.tag = 7, .operation = Operation::report, .zones = zones};
    requests[8] = {.tag = 8, .operation = Operation::report, .zones = zones};
    requests[9] = {.tag = 9, .operation = Operation::reset, .length = layout().zone_size() * 5};
    ASSERT_EQ(queue_->submit(requests), requests.size());
    ASSERT_TRUE(ring_->turn(Loop::Wait::poll));
    queue_.reset();
    open_queue(1);
    EXPECT_LE(zone_at(5).write_pointer.value_or(0), layout().start_of(5) + 128 * block);
    EXPECT_TRUE(transport_->close());
}

TEST_F(OnDevice, FlushesAndFuaWritesSucceed) {
    const std::size_t block = limits().logical_block_size;
    const auto data = pages(block);
    const iovec one{data.get(), block};
    EXPECT_TRUE(move(Operation::write, 0, {&one, 1}, true).status.ok());
    EXPECT_TRUE(run({.operation = Operation::flush}).status.ok());
    queue_.reset();
    EXPECT_TRUE(transport_->close());
}

}  // namespace
}  // namespace zonebridge::nvme

int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    if (argc < 3) return 2;
    using zonebridge::DataPath;
    zonebridge::nvme::device_path = argv[1];
    const std::string_view way = argv[2];
    zonebridge::nvme::data_path = way == "ioctl"      ? DataPath::ioctl
                                  : way == "io_uring" ? DataPath::io_uring
                                                      : DataPath::any;
    return RUN_ALL_TESTS();
}
