// Discards and writes of zeroes: zeroes in the range, no change outside, and a refusal if the
// device does not support them.
#include <algorithm>
#include <array>

#include "tests/contract/fixture.h"

namespace zonebridge::contract {
namespace {

constexpr std::array both{Operation::discard, Operation::write_zeroes};

class Clears : public DataContract {
  protected:
    [[nodiscard]] std::optional<std::uint64_t> most(Operation operation) const {
        return operation == Operation::discard ? limits().max_discard : limits().max_write_zeroes;
    }
    StatusCode clear(Operation operation, std::uint64_t offset, std::uint64_t length) {
        return disk().clear(operation, offset, length).code;
    }
    /// The data of the 64 units from at_ on.
    Bytes content() {
        Bytes bytes;
        for (std::uint64_t i = 0; i < 64; ++i) {
            const auto one = disk().read(at_ + i * unit(), unit());
            bytes.insert(bytes.end(), one.begin(), one.end());
        }
        return bytes;
    }
    /// The offset of `count` units that may be overwritten.
    [[nodiscard]] std::optional<std::uint64_t> place(std::uint64_t count) const {
        if (const auto area = random_area(count * unit())) return area;
        if (zoned() && required()) return std::nullopt;
        return start(zones().front());
    }
    /// Sets at_ and units_; skips the test if the device does not support the operation.
    void prepare(Operation operation, const char* absent) {
        Clears::SetUp();
        if (IsSkipped()) return;
        const auto longest = most(operation);
        if (!longest) GTEST_SKIP() << absent;
        at_ = place(64).value();
        units_ = std::min<std::uint64_t>(32, *longest / unit());
    }

    std::uint64_t at_ = 0;
    std::uint64_t units_ = 0;  ///< The number of units to clear at once.
};

class Zeroes : public Clears {
  protected:
    void SetUp() override {
        prepare(Operation::write_zeroes, "the device has no writes of zeroes");
    }
};

class Discards : public Clears {
  protected:
    void SetUp() override { prepare(Operation::discard, "the device has no discards"); }
};

TEST_F(Clears, AreOfferedWholeOrNotAtAll) {
    for (const auto operation : both) {
        if (const auto limit = most(operation)) {
            EXPECT_NE(limits().model, Model::host_managed);
            EXPECT_GE(*limit, limits().logical_block_size);
            EXPECT_EQ(*limit % limits().logical_block_size, 0U);
        } else {
            EXPECT_EQ(clear(operation, 0, limits().logical_block_size), StatusCode::unsupported);
        }
    }
    EXPECT_EQ(limits().max_discard.has_value(), limits().discard_granularity != 0);
    if (limits().max_discard) {
        EXPECT_EQ(limits().discard_granularity % limits().logical_block_size, 0U);
    }
}

TEST_F(Clears, AreRefusedWhereTheyDoNotFit) {
    const auto block = limits().logical_block_size;
    for (const auto operation : both) {
        const auto limit = most(operation);
        if (!limit) continue;
        EXPECT_EQ(clear(operation, limits().size(), block), StatusCode::out_of_range);
        EXPECT_EQ(clear(operation, limits().size() - block, 2 * block), StatusCode::out_of_range);
        EXPECT_EQ(clear(operation, 0, 0), StatusCode::invalid_request);
        EXPECT_EQ(clear(operation, 1, block), StatusCode::misaligned);
        EXPECT_EQ(clear(operation, 0, block - 1), StatusCode::misaligned);
        if (*limit + block <= limits().size()) {
            EXPECT_EQ(clear(operation, 0, *limit + block), StatusCode::too_large);
        }
    }
}

TEST_F(Zeroes, AreReadWhereTheyWereAskedForAndNowhereElse) {
    for (const auto unmaps : {false, true}) {
        fill(at_, 64 * unit(), 7);
        auto expected = content();
        const Request request{.operation = Operation::write_zeroes,
                              .may_unmap = unmaps,
                              .offset = at_ + 5 * unit(),
                              .length = units_ * unit(),
                              .data = {},
                              .zones = {}};
        ASSERT_EQ(disk().run(request).status.code, StatusCode::ok);
        std::fill_n(expected.begin() + static_cast<long>(5 * unit()), units_ * unit(),
                    std::uint8_t{0});
        for (int round = 0; round < 2; ++round) {
            EXPECT_EQ(content(), expected) << (unmaps ? "may unmap" : "may not");
            ASSERT_EQ(disk().flush().code, StatusCode::ok);
            open();
        }
    }
}

TEST_F(Zeroes, AreOverwrittenAsAnythingElse) {
    ASSERT_EQ(clear(Operation::write_zeroes, at_, units_ * unit()), StatusCode::ok);
    fill(at_ + unit(), 2 * unit(), 9);
    EXPECT_EQ(disk().read(at_, unit()), Bytes(unit(), 0));
    expect_filled(disk(), at_ + unit(), 2 * unit(), 9);
    EXPECT_EQ(disk().read(at_ + 3 * unit(), unit()), Bytes(unit(), 0));
}

TEST_F(Discards, LeaveWhatIsBesideThem) {
    fill(at_, 64 * unit(), 8);
    const auto from = static_cast<long>(4 * unit());
    const auto length = units_ * unit();
    auto expected = content();
    ASSERT_EQ(clear(Operation::discard, at_ + 4 * unit(), length), StatusCode::ok);
    std::fill_n(expected.begin() + from, length, std::uint8_t{0});
    for (int round = 0; round < 2; ++round) {
        auto found = content();
        // A discarded range may have any contents.
        std::fill_n(found.begin() + from, length, std::uint8_t{0});
        EXPECT_EQ(found, expected);
        ASSERT_EQ(disk().flush().code, StatusCode::ok);
        open();
    }
    // A discarded range can be written and read again.
    fill(at_ + 4 * unit(), length, 10);
    expect_filled(disk(), at_ + 4 * unit(), length, 10);
}

TEST_F(Discards, ByManyThreadsDoNotMeet) {
    fill(at_, 64 * unit(), 8);
    run(4, [&](Driver& driver, int index) {
        for (auto i = static_cast<std::uint64_t>(index); i < 64; i += 4) {
            const auto status = i % 2 == 0
                                    ? driver.clear(Operation::discard, at_ + i * unit(), unit())
                                    : driver.write(at_ + i * unit(), pattern(i, unit()));
            EXPECT_EQ(status.code, StatusCode::ok) << i;
        }
    });
    for (std::uint64_t i = 1; i < 64; i += 2)
        EXPECT_EQ(disk().read(at_ + i * unit(), unit()), pattern(i, unit())) << i;
}

}  // namespace
}  // namespace zonebridge::contract
