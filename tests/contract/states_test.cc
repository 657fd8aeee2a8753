// Every action and every kind of write on a zone in every state that a test can reach, checked
// against the zone state machine after each step; then actions on ranges and on all zones.
#include <algorithm>
#include <array>

#include "tests/contract/fixture.h"
#include "tests/contract/oracle.h"

namespace zonebridge::contract {
namespace {

constexpr std::array actions = {Operation::open, Operation::close, Operation::finish,
                                Operation::reset};

/// The states that bring() puts a zone into.
enum class From { empty, implicit_open, explicit_open, explicit_empty, closed, full, finished };

const char* name_of(From from) {
    switch (from) {
        case From::empty:
            return "Empty";
        case From::implicit_open:
            return "ImplicitlyOpen";
        case From::explicit_open:
            return "ExplicitlyOpen";
        case From::explicit_empty:
            return "ExplicitlyOpenAndNothingWritten";
        case From::closed:
            return "Closed";
        case From::full:
            return "FullByWriting";
        case From::finished:
            return "FullByFinish";
    }
    return "";
}

class Checked : public ZonedContract {
  protected:
    void SetUp() override {
        ZonedContract::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        oracle_.emplace(limits(), report());
    }
    /// Runs `request`, with data if it needs any, and checks its completion and every zone against
    /// the oracle.
    void step(Request request) {
        Bytes data;
        iovec buffer{};
        if (request.operation == Operation::write || request.operation == Operation::append)
            data = pattern(++stamp_, request.length);
        if (!data.empty()) {
            buffer = {data.data(), data.size()};
            request.data = {&buffer, 1};
        }
        const auto expected = oracle_->expect(request);
        const auto got = disk().run(request);
        ASSERT_EQ(got.status.code, expected.status.code)
            << to_string(request.operation) << " at " << request.offset << "+" << request.length
            << ": " << to_string(got.status.code) << ", not " << to_string(expected.status.code)
            << "; cause: " << to_string(got.status.cause);
        const auto tells = request.operation == Operation::append
                               ? got.status.ok()
                               : is_zone_action(request.operation) && request.scope == Scope::zones;
        if (tells) {
            ASSERT_EQ(got.result, expected.result) << to_string(request.operation);
        }
        ASSERT_TRUE(oracle_->agrees(report())) << "after " << to_string(request.operation);
    }
    void step_action(Operation operation, std::uint32_t zone) {
        step(request_of(operation, start(zone), layout().length_of(zone)));
    }
    void step_all(Operation operation) {
        step({.operation = operation, .scope = Scope::all, .data = {}, .zones = {}});
    }
    void step_write(std::uint32_t zone, std::uint64_t from, std::uint64_t length) {
        step(request_of(Operation::write, start(zone) + from, length));
    }
    /// Puts an empty zone into that state.
    void bring(std::uint32_t zone, From from) {
        switch (from) {
            case From::empty:
                return;
            case From::implicit_open:
                return step_write(zone, 0, 2 * unit());
            case From::explicit_open:
                step_action(Operation::open, zone);
                return step_write(zone, 0, 2 * unit());
            case From::explicit_empty:
                return step_action(Operation::open, zone);
            case From::closed:
                step_write(zone, 0, 2 * unit());
                return step_action(Operation::close, zone);
            case From::full: {
                // Only the last unit is written with a check of every zone.
                const auto last = (capacity(zone) - 1) / unit() * unit();
                fill(start(zone), last, stamp_ += 1 << 20);
                oracle_.emplace(limits(), report());
                return step_write(zone, last, capacity(zone) - last);
            }
            case From::finished:
                step_write(zone, 0, 2 * unit());
                return step_action(Operation::finish, zone);
        }
    }
    [[nodiscard]] Oracle& oracle() { return *oracle_; }

  private:
    std::optional<Oracle> oracle_;
    std::uint64_t stamp_ = 0;
};

class States : public Checked, public ::testing::WithParamInterface<From> {};

TEST_P(States, TakeOrRefuseEachAction) {
    const auto zone = zones()[zones().size() / 2];
    for (const auto action : actions) {
        SCOPED_TRACE(to_string(action));
        step_action(Operation::reset, zone);
        bring(zone, GetParam());
        if (HasFatalFailure()) return;
        step_action(action, zone);
        step_action(action, zone);  // again, in the state that the first led to
        if (HasFatalFailure()) return;
    }
    step_action(Operation::reset, zone);
}

TEST_P(States, TakeOrRefuseEachWrite) {
    const auto zone = zones()[zones().size() / 2];
    const auto room = capacity(zone) / unit() * unit();
    struct Case {
        const char* name;
        Operation operation;
        std::uint64_t at;
        std::uint64_t length;
    };
    for (const auto& each : {Case{"at the pointer", Operation::write, 2 * unit(), unit()},
                             Case{"at the start", Operation::write, 0, unit()},
                             Case{"before the pointer", Operation::write, unit(), unit()},
                             Case{"past the pointer", Operation::write, 3 * unit(), unit()},
                             Case{"the last block", Operation::write, room - unit(), unit()},
                             Case{"an append", Operation::append, 0, unit()}}) {
        SCOPED_TRACE(each.name);
        step_action(Operation::reset, zone);
        bring(zone, GetParam());
        if (HasFatalFailure()) return;
        step(request_of(each.operation, start(zone) + each.at, each.length));
        if (HasFatalFailure()) return;
    }
    step_action(Operation::reset, zone);
}

INSTANTIATE_TEST_SUITE_P(From, States,
                         ::testing::Values(From::empty, From::implicit_open, From::explicit_open,
                                           From::explicit_empty, From::closed, From::full,
                                           From::finished),
                         [](const auto& from) { return name_of(from.param); });

class Actions : public Checked {};

TEST_F(Actions, OnConventionalZonesAreRefused) {
    if (layout().conventional_count() == 0) GTEST_SKIP() << "the device has no conventional zones";
    for (std::uint32_t zone = 0; zone < layout().zone_count(); ++zone) {
        if (!layout().is_conventional(zone)) continue;
        for (const auto action : actions) step_action(action, zone);
        step(request_of(Operation::append, start(zone), unit()));
        if (HasFatalFailure()) return;
    }
}

TEST_F(Actions, NotOnWholeZonesAreRefused) {
    const auto zone = zones().front();
    for (const auto action : actions) {
        step(request_of(action, start(zone) + unit(), layout().length_of(zone) - unit()));
        step(request_of(action, start(zone), layout().length_of(zone) - unit()));
        step(request_of(action, start(zone), 0));
        step(request_of(action, start(zone), limits().size() - start(zone) + unit()));
        step(request_of(action, limits().size(), layout().zone_size()));
    }
}

TEST_F(Actions, OverARangeStopAtTheFirstFailure) {
    if (most_active() < 2) GTEST_SKIP() << "fewer than 2 zones can be active";
    std::optional<std::uint32_t> first;
    for (std::size_t i = 0; i + 2 < zones().size() && !first; ++i)
        if (zones()[i + 2] == zones()[i] + 2) first = zones()[i];
    if (!first) GTEST_SKIP() << "no three sequential zones in a row";
    const auto range = layout().length_of(*first) + layout().length_of(*first + 1) +
                       layout().length_of(*first + 2);
    bring(*first + 1, From::finished);
    step(request_of(Operation::open, start(*first), range));
    step(request_of(Operation::close, start(*first), range));
    step(request_of(Operation::finish, start(*first), range));
    step(request_of(Operation::open, start(*first), range));
    step(request_of(Operation::reset, start(*first), range));
}

TEST_F(Actions, OnAllZonesReachThoseTheyApplyTo) {
    constexpr std::array kinds = {From::empty,    From::implicit_open, From::explicit_open,
                                  From::finished, From::closed,        From::explicit_empty};
    for (const auto action : actions) {
        SCOPED_TRACE(to_string(action));
        step_all(Operation::reset);
        std::size_t active = 0;
        std::size_t next = 0;
        for (const auto kind : kinds) {
            const auto takes = kind == From::empty || kind == From::finished ? 0 : 1;
            // A zone is active while it is written, even if it is then finished.
            if (active + 1 > most_active() || next == zones().size()) continue;
            if (limits().max_open && active + 1 > *limits().max_open) continue;
            bring(zones()[next++], kind);
            active += static_cast<std::size_t>(takes);
            if (HasFatalFailure()) return;
        }
        step_all(action);
        step_all(action);
        if (HasFatalFailure()) return;
    }
    step_all(Operation::reset);
}

TEST_F(Actions, OpenOfAllZonesOverTheLimitOpensNone) {
    if (!limits().max_open || !required() || *limits().max_open + 1 > most_active())
        GTEST_SKIP() << "no more zones can be closed than open";
    for (std::uint32_t i = 0; i <= *limits().max_open; ++i) {
        bring(zones()[i], From::closed);
        if (HasFatalFailure()) return;
    }
    step_all(Operation::open);
    step_action(Operation::finish, zones()[0]);
    step_all(Operation::open);
}

}  // namespace
}  // namespace zonebridge::contract
