// Random requests to the disk and to the zone state machine give the same results, reports and
// data.
#include <random>

#include <gtest/gtest.h>

#include "tests/unit/transports/emulated/support.h"
#include "zone/check.h"
#include "zone/machine.h"

namespace zonebridge::emulated {
namespace {

class RandomRequests : public ::testing::TestWithParam<int> {};

Shape shape_of(int seed) {
    auto shape = small_shape();
    if (seed % 2 == 1) shape.physical_block_size = 512;
    if (seed % 3 == 1) shape.max_open = 3;
    if (seed % 3 == 2) shape.max_active = 5;
    if (seed % 4 == 3) shape.model = Model::host_aware;
    if (seed % 8 == 3) shape.zone_capacity.reset();
    if (seed % 5 == 4) {
        shape.logical_block_size = 4096;
        shape.physical_block_size = 4096;
    }
    return shape;
}

TEST_P(RandomRequests, GetTheResultsOfTheStateMachine) {
    const ScratchFolder folder{ScratchFolder::Place::memory};
    const auto path = folder.file("disk");
    const auto shape = shape_of(GetParam());
    ASSERT_TRUE(create(path, shape));
    std::optional<Rig> rig(path);
    const Limits limits = rig->transport().limits();
    const auto& layout = limits.layout;
    Machine machine(limits);
    Bytes content(shape.size, 0);
    std::mt19937_64 random(static_cast<std::uint64_t>(GetParam()));
    const auto below = [&](std::uint64_t limit) { return random() % limit; };

    for (int step = 0; step < 1500; ++step) {
        SCOPED_TRACE(step);
        const auto zone = static_cast<std::uint32_t>(below(16));
        const auto start = layout.start_of(zone);
        Request request{.data = {}, .zones = {}};
        Bytes data;
        iovec buffer{};
        switch (below(8)) {
            case 0:
            case 1:
            case 2: {  // often at the pointer, sometimes anywhere
                request.operation = Operation::write;
                const auto pointer = machine.describe(zone).write_pointer;
                request.offset = pointer && below(5) != 0 ? *pointer : start + 512 * below(128);
                request.length = 512 * (1 + below(48));
                request.fua = below(20) == 0;
                break;
            }
            case 3:
                request.operation = Operation::append;
                request.offset = start;
                request.length = 4096 * (1 + below(4));
                break;
            case 4:
                request.operation = Operation::read;
                request.offset = 512 * below(shape.size / 512);
                request.length = 512 * (1 + below(300));
                break;
            case 5:
            case 6: {
                constexpr std::array operations = {Operation::open, Operation::close,
                                                   Operation::finish, Operation::reset};
                request.operation = operations[below(4)];
                request.offset = start;
                request.length = layout.length_of(zone);
                if (below(30) == 0) {
                    request.scope = Scope::all;
                    request.offset = request.length = 0;
                }
                break;
            }
            default:
                request.operation = Operation::flush;
        }
        if (request.operation == Operation::write || request.operation == Operation::append)
            data = pattern(static_cast<std::uint64_t>(step), request.length);
        if (request.operation == Operation::read) data.assign(request.length, 0xEE);
        if (!data.empty()) {
            buffer = {data.data(), data.size()};
            request.data = {&buffer, 1};
        }

        auto expected = check(limits, request);
        auto offset = request.offset;
        if (expected == StatusCode::ok) {
            switch (request.operation) {
                case Operation::write:
                    expected = machine.begin_write(offset, request.length);
                    break;
                case Operation::append:
                    if (const auto at = machine.begin_append(offset, request.length))
                        offset = *at;
                    else
                        expected = at.error();
                    break;
                case Operation::open:
                case Operation::close:
                case Operation::finish:
                case Operation::reset:
                    expected = request.scope == Scope::all ? machine.act_all(request.operation)
                                                           : machine.act(request.operation, zone);
                    break;
                case Operation::read:
                case Operation::flush:
                case Operation::report:
                case Operation::discard:
                case Operation::write_zeroes:
                    break;
            }
        }
        const auto done = (**rig).run(request);
        ASSERT_EQ(done.status.code, expected) << to_string(request.operation);
        if (expected == StatusCode::ok) {
            if (request.operation == Operation::append) {
                ASSERT_EQ(done.result, offset);
            }
            if (request.operation == Operation::write || request.operation == Operation::append) {
                machine.advance(offset, request.length);
                std::copy(data.begin(), data.end(),
                          content.begin() + static_cast<std::ptrdiff_t>(offset));
            }
            if (request.operation == Operation::read) {
                ASSERT_TRUE(std::equal(data.begin(), data.end(),
                                       content.begin() + static_cast<std::ptrdiff_t>(offset)));
            }
        }
        for (std::uint32_t i = 0; i < 16; ++i)
            if (machine.state(i) == ZoneState::empty)
                std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(layout.start_of(i)),
                            layout.length_of(i), 0);
        if (step % 100 == 99) {
            if (step % 300 == 299) {
                ASSERT_TRUE(rig->close());
                rig.emplace(path);
                // The order in which implicitly open zones are closed does not survive a close of
                // the disk.
                Machine restored(limits);
                for (std::uint32_t i = 0; i < 16; ++i)
                    ASSERT_TRUE(restored.restore(
                        i, machine.state(i),
                        layout.is_conventional(i) ? 0
                                                  : machine.written_end(i) - layout.start_of(i)));
                machine = std::move(restored);
            }
            std::vector<Zone> zones(16);
            ASSERT_EQ(machine.report(0, zones), 16U);
            ASSERT_EQ((**rig).report(16), zones);
            ASSERT_EQ((**rig).read(0, shape.size), content);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomRequests, ::testing::Range(0, 24));

}  // namespace
}  // namespace zonebridge::emulated
