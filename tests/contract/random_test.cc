// A long run of pseudo-random requests, the same every time. Each is checked against the zone state
// machine and against the expected bytes.
#include <algorithm>
#include <array>
#include <map>
#include <random>

#include "tests/contract/fixture.h"
#include "tests/contract/oracle.h"

namespace zonebridge::contract {
namespace {

class Random : public ZonedContract {
  protected:
    /// A few zones, so that requests often meet the same zones and the limits.
    [[nodiscard]] std::vector<std::uint32_t> some() const {
        auto chosen = zones();
        if (chosen.size() > 12) {
            chosen.resize(11);
            chosen.push_back(zones().back());
        }
        for (std::uint32_t zone = 0; zone < layout().zone_count(); ++zone)
            if (layout().is_conventional(zone)) {
                chosen.push_back(zone);
                break;
            }
        return chosen;
    }
    [[nodiscard]] std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

    Request make(std::uint32_t zone, const Machine& machine) {
        const auto most = std::min<std::uint64_t>(limits().max_transfer, 64 << 10) / unit();
        const auto length = unit() * (1 + below(below(4) == 0 ? most : std::min(most, 4UL)));
        const auto anywhere =
            start(zone) + limits().logical_block_size *
                              below(layout().length_of(zone) / limits().logical_block_size);
        switch (below(9)) {
            case 0:
            case 1:
            case 2: {
                const auto pointer = machine.describe(zone).write_pointer;
                return request_of(Operation::write, pointer && below(5) != 0 ? *pointer : anywhere,
                                  length);
            }
            case 3:
            case 4:
                return request_of(Operation::append, start(zone),
                                  std::min(length, limits().max_append));
            case 5:
                return request_of(Operation::read, below(2) == 0 ? start(zone) : anywhere, length);
            case 6:
            case 7: {
                constexpr std::array actions = {Operation::open, Operation::close,
                                                Operation::finish, Operation::reset};
                const auto action = actions[below(4)];
                if (below(20) == 0)
                    return {.operation = action, .scope = Scope::all, .data = {}, .zones = {}};
                return request_of(action, start(zone), layout().length_of(zone));
            }
            default:
                return request_of(Operation::flush, 0, 0);
        }
    }

    /// The expected data of each zone, as far as it was written; the rest is blank.
    std::map<std::uint32_t, Bytes> content_;

    void keep(std::uint64_t offset, std::span<const std::uint8_t> data) {
        for (std::size_t at = 0; at < data.size();) {
            const auto zone = layout().zone_of(offset + at);
            const auto from = offset + at - start(zone);
            const auto length = std::min(data.size() - at, layout().length_of(zone) - from);
            auto& bytes = content_[zone];
            if (bytes.size() < from + length) bytes.resize(from + length);
            std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(at), length,
                        bytes.begin() + static_cast<std::ptrdiff_t>(from));
            at += length;
        }
    }
    /// Whether `got`, read at `offset` in one zone, matches the expected data, and is blank behind
    /// them.
    [[nodiscard]] bool is_kept(std::uint64_t offset, std::span<const std::uint8_t> got) {
        const auto zone = layout().zone_of(offset);
        const auto from = offset - start(zone);
        const auto& bytes = content_[zone];
        const auto known =
            std::min<std::uint64_t>(got.size(), bytes.size() > from ? bytes.size() - from : 0);
        return is_blank(got.subspan(known)) &&
               std::equal(got.begin(), got.begin() + static_cast<std::ptrdiff_t>(known),
                          bytes.begin() + static_cast<std::ptrdiff_t>(known == 0 ? 0 : from));
    }

  private:
    std::mt19937_64 random_{20};
};

TEST_F(Random, RequestsDoWhatTheMachineDoes) {
    const auto chosen = some();
    // Conventional zones keep their old data, which a reset does not clear.
    for (const auto zone : chosen)
        if (layout().is_conventional(zone))
            for (std::uint64_t at = 0; at < layout().length_of(zone);) {
                const auto next = std::min<std::uint64_t>(
                    layout().length_of(zone) - at,
                    std::min<std::uint64_t>(limits().max_transfer, 256 << 10));
                keep(start(zone) + at, disk().read(start(zone) + at, next));
                at += next;
            }
    Oracle oracle(limits(), report());
    for (int step = 0; step < 400; ++step) {
        const auto zone = chosen[below(chosen.size())];
        auto request = make(zone, oracle.machine());
        Bytes data;
        iovec buffer{};
        if (request.operation == Operation::write || request.operation == Operation::append)
            data = pattern(static_cast<std::uint64_t>(step) + 1, request.length);
        if (request.operation == Operation::read) data.assign(request.length, 0xEE);
        if (!data.empty()) {
            buffer = {data.data(), data.size()};
            request.data = {&buffer, 1};
        }
        SCOPED_TRACE(::testing::Message()
                     << "step " << step << ", " << to_string(request.operation) << " at "
                     << request.offset << "+" << request.length << ", zone " << zone);
        // The data of zones outside the chosen ones are not known here, so reads across zones are
        // not compared.
        const auto expected = oracle.expect(request);
        const auto got = disk().run(request);
        if (!expected.status.ok() || !oracle.excuses(got.status.code)) {
            ASSERT_EQ(got.status.code, expected.status.code) << to_string(got.status.cause);
        }
        if (got.status.ok()) {
            if (request.operation == Operation::append) {
                ASSERT_EQ(got.result, expected.result);
                keep(got.result, data);
            }
            if (request.operation == Operation::write) keep(request.offset, data);
            if (request.operation == Operation::read &&
                layout().zone_of(request.offset + request.length - 1) == zone) {
                ASSERT_TRUE(is_kept(request.offset, data));
            }
        }
        for (auto& [number, bytes] : content_)
            if (oracle.machine().state(number) == ZoneState::empty) bytes.clear();
        if (request.operation == Operation::flush || request.operation == Operation::read) continue;
        ASSERT_TRUE(oracle.agrees(report()));
    }
    for (const auto zone : chosen) {
        SCOPED_TRACE(::testing::Message() << "at the end, zone " << zone);
        const auto length = std::min<std::uint64_t>(layout().capacity_of(zone), 64 << 10);
        const auto most = std::min(length, limits().max_transfer) / unit() * unit();
        EXPECT_TRUE(is_kept(start(zone), disk().read(start(zone), most)));
    }
}

}  // namespace
}  // namespace zonebridge::contract
