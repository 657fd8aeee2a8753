// Requests of a zone when the device fails: none is lost, each completes with the most precise
// status, and nothing is written twice.
#include <gtest/gtest.h>

#include "tests/unit/layers/sequencer/memory.h"

namespace zonebridge::test {
namespace {

const auto cause = NativeCause::os_error(61);

/// Fails the next write with `status` after `written` bytes, and calls `also` before.
void fail_write(
    BareDevice& bare, Status status, std::uint64_t written, std::function<void()> also = [] {}) {
    bare.fault = [=, &bare](const Request& request) -> std::optional<BareDevice::Fault> {
        if (request.operation != Operation::write) return {};
        bare.fault = nullptr;
        also();
        return BareDevice::Fault{status, written};
    };
}

class Errors : public ::testing::Test {
  protected:
    /// Submits six appends that join into one write, then an append and a write that do not join.
    void submit_batch() {
        for (std::uint64_t i = 0; i < 6; ++i)
            batch_.push_back(user_.submit(user_.append(3, block, i + 1)));
        after_ = user_.submit_fua(user_.append(3, block, 7));
        expecting_ = user_.submit_fua(user_.write(start + 7 * block, block, 8));
    }

    Memory memory_;
    User user_{*memory_.transport, memory_.loop};
    std::vector<std::uint64_t> batch_;
    std::uint64_t after_ = 0;
    std::uint64_t expecting_ = 0;
};

TEST_F(Errors, AfterAPartialWriteRequestsBelowThePointerSucceed) {
    fail_write(*memory_.bare, {StatusCode::media_error, cause}, 3 * block);
    submit_batch();
    for (std::uint64_t i = 0; i < 6; ++i) {
        const auto completion = user_.wait(batch_[i]);
        if (i < 3) {
            EXPECT_TRUE(completion.status.ok());
            EXPECT_EQ(completion.result, start + i * block);
            EXPECT_EQ(user_.stamp_at(completion.result, block), i + 1);
        } else {
            EXPECT_EQ(completion.status, (Status{StatusCode::media_error, cause}));
        }
    }
    EXPECT_EQ(user_.wait(after_).result, start + 3 * block);
    EXPECT_EQ(user_.wait(expecting_).status.code, StatusCode::unaligned_write);
    EXPECT_EQ(user_.stamp_at(start + 3 * block, block), 7U);
    EXPECT_EQ(*user_.describe(3).write_pointer, start + 4 * block);
}

TEST_F(Errors, ARequestHalfBelowThePointerFails) {
    fail_write(*memory_.bare, {StatusCode::io_error, cause}, 3 * block);
    const auto first = user_.submit(user_.append(3, 2 * block, 1));
    const auto half = user_.submit(user_.append(3, 2 * block, 2));
    EXPECT_EQ(user_.wait(first).result, start);
    EXPECT_EQ(user_.wait(half).status, (Status{StatusCode::io_error, cause}));
    EXPECT_EQ(user_.run(user_.append(3, block, 3)).result, start + 3 * block);
}

TEST_F(Errors, AnErrorAfterTheLastByteFailsNoRequest) {
    fail_write(*memory_.bare, {StatusCode::io_error, cause}, 6 * block);
    submit_batch();
    for (const auto tag : batch_) EXPECT_TRUE(user_.wait(tag).status.ok());
    EXPECT_EQ(user_.wait(after_).result, start + 6 * block);
    EXPECT_TRUE(user_.wait(expecting_).status.ok());
}

TEST_F(Errors, AFailedWriteFailsAllItsFuaRequests) {
    fail_write(*memory_.bare, {StatusCode::io_error, cause}, 2 * block);
    const auto first = user_.submit_fua(user_.append(3, block, 1));
    const auto second = user_.submit_fua(user_.append(3, block, 2));
    EXPECT_EQ(user_.wait(first).status, (Status{StatusCode::io_error, cause}));
    EXPECT_EQ(user_.wait(second).status, (Status{StatusCode::io_error, cause}));
    EXPECT_EQ(user_.run(user_.append(3, block, 3)).result, start + 2 * block);
}

TEST_F(Errors, TheStateOfTheZoneReplacesAVagueError) {
    struct Case {
        ZoneState state;
        StatusCode code;
    };
    std::uint32_t zone = 4;
    for (const auto& [state, code] : {Case{ZoneState::full, StatusCode::zone_full},
                                      Case{ZoneState::read_only, StatusCode::zone_read_only},
                                      Case{ZoneState::offline, StatusCode::zone_offline}}) {
        SCOPED_TRACE(testing::Message() << to_string(state));
        auto& machine = memory_.disk->machine();
        fail_write(*memory_.bare, {StatusCode::io_error, cause}, 0,
                   [&, state = state] { EXPECT_TRUE(machine.restore(zone, state, block)); });
        const auto a = user_.submit(user_.append(zone, block, 1));
        const auto b = user_.submit(user_.append(zone, block, 2));
        const auto waiting = user_.submit_fua(user_.append(zone, block, 3));
        EXPECT_EQ(user_.wait(a).status, (Status{code, cause}));
        EXPECT_EQ(user_.wait(b).status, (Status{code, cause}));
        EXPECT_EQ(user_.wait(waiting).status.code, code);
        ++zone;
    }
}

TEST_F(Errors, AWriteThatMissesAMovedPointerIsUnaligned) {
    EXPECT_TRUE(user_.run(user_.write(start, 3 * block, 1)).status.ok());
    fail_write(*memory_.bare, {StatusCode::io_error, cause}, 0,
               [&] { EXPECT_TRUE(memory_.disk->machine().restore(3, ZoneState::closed, block)); });
    EXPECT_EQ(user_.run(user_.write(start + 3 * block, block, 2)).status,
              (Status{StatusCode::unaligned_write, cause}));
    EXPECT_TRUE(user_.run(user_.write(start + block, block, 3)).status.ok());
}

TEST_F(Errors, IfTheReportFailsOnlyRequestsOfThatZoneFail) {
    memory_.bare->fault = [](const Request& request) -> std::optional<BareDevice::Fault> {
        if (request.offset >= start + zone_size) return {};
        if (request.operation == Operation::write)
            return BareDevice::Fault{{StatusCode::media_error, cause}, 0};
        if (request.operation == Operation::report)
            return BareDevice::Fault{{StatusCode::io_error, cause}, 0};
        return {};
    };
    submit_batch();
    const auto reset = user_.submit(user_.act(Operation::reset, 3));
    const auto other = user_.submit(user_.append(4, block, 9));
    for (const auto tag : batch_) EXPECT_EQ(user_.wait(tag).status.code, StatusCode::io_error);
    EXPECT_EQ(user_.wait(after_).status.code, StatusCode::io_error);
    EXPECT_EQ(user_.wait(reset).status.code, StatusCode::io_error);
    EXPECT_TRUE(user_.wait(other).status.ok());
    memory_.bare->fault = nullptr;
    EXPECT_EQ(user_.run(user_.append(3, block, 1)).result, start);
}

TEST_F(Errors, IfTheReportFailsTheWriteKeepsItsOwnError) {
    EXPECT_TRUE(user_.run(user_.append(3, block, 1)).status.ok());
    memory_.bare->fault = [](const Request& request) -> std::optional<BareDevice::Fault> {
        if (request.operation == Operation::write)
            return BareDevice::Fault{{StatusCode::media_error, cause}, 0};
        return BareDevice::Fault{{StatusCode::io_error, cause}, 0};
    };
    const auto write = user_.submit(user_.append(3, block, 2));
    const auto waiting = user_.submit_fua(user_.append(3, block, 3));
    EXPECT_EQ(user_.wait(write).status.code, StatusCode::media_error);
    EXPECT_EQ(user_.wait(waiting).status.code, StatusCode::io_error);
}

TEST_F(Errors, AGoneDeviceFailsEveryRequest) {
    memory_.bare->held = BareDevice::Held::everything;
    submit_batch();
    std::vector<std::uint64_t> tags = batch_;
    tags.push_back(after_);
    tags.push_back(expecting_);
    for (const auto operation :
         {Operation::open, Operation::close, Operation::finish, Operation::reset}) {
        tags.push_back(user_.submit(user_.act(operation, 3)));
        tags.push_back(user_.submit(user_.act(operation, 2, 9)));
        tags.push_back(user_.submit(user_.act_all(operation)));
        tags.push_back(user_.submit(user_.append(3, block, 1)));
    }
    tags.push_back(user_.submit(user_.read(start, block)));
    user_.turns(2);
    memory_.bare->fault = [](const Request&) {
        return BareDevice::Fault{{StatusCode::device_gone, cause}, 0};
    };
    memory_.bare->held = BareDevice::Held::none;
    for (const auto tag : tags)
        EXPECT_EQ(user_.wait(tag).status, (Status{StatusCode::device_gone, cause}));
}

TEST_F(Errors, AnImpossibleReportIsAnError) {
    const auto expect_error = [&](auto change) {
        memory_.disk->fail_next.reset();
        EXPECT_EQ(user_.code(user_.act(Operation::reset, 3)), StatusCode::ok);
        memory_.bare->fault = [&](const Request& request) -> std::optional<BareDevice::Fault> {
            if (request.operation != Operation::report) return {};
            request.zones[0] = memory_.disk->machine().describe(3);
            change(request.zones[0]);
            return BareDevice::Fault{{}, 0};
        };
        // The sequencer asks for a report before it refuses a write.
        EXPECT_EQ(user_.code(user_.write(start + block, block, 1)), StatusCode::io_error);
        memory_.bare->fault = nullptr;
    };
    expect_error([](Zone& zone) { zone.start += zone_size; });
    expect_error([](Zone& zone) { zone.write_pointer.reset(); });
    expect_error([](Zone& zone) { zone.write_pointer = zone.start - block; });
    expect_error([](Zone& zone) { zone.write_pointer = zone.start + zone_size + block; });
    expect_error([](Zone& zone) { zone.state = ZoneState::not_write_pointer; });
}

}  // namespace
}  // namespace zonebridge::test
