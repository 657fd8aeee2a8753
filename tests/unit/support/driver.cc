#include "tests/unit/support/driver.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include <gtest/gtest.h>

namespace zonebridge::test {

Bytes pattern(std::uint64_t stamp, std::size_t length) {
    Bytes data(length);
    std::uint64_t state = stamp * 0x9E3779B97F4A7C15U + 1;
    for (std::size_t i = 0; i < length; i += 8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        std::memcpy(data.data() + i, &state, std::min<std::size_t>(8, length - i));
    }
    return data;
}

void Driver::turn() {
    if (auto turned = loop_.turn(Loop::Wait::sleep); !turned)
        throw std::runtime_error(turned.error().message);
}

std::vector<Completion> Driver::run(std::span<const Request> requests) {
    std::vector<Request> tagged(requests.begin(), requests.end());
    for (std::size_t i = 0; i < tagged.size(); ++i) tagged[i].tag = i;
    std::vector<Completion> result(tagged.size());
    std::vector<bool> seen(tagged.size());
    std::size_t submitted = 0;
    std::size_t done = 0;
    while (done < tagged.size()) {
        submitted += queue_->submit(std::span(tagged).subspan(submitted));
        turn();
        std::array<Completion, 16> some;
        while (const auto count = queue_->reap(some)) {
            for (const auto& each : std::span(some).first(count)) {
                if (each.tag >= submitted || seen[each.tag])
                    throw std::runtime_error("a completion that no request waits for");
                seen[each.tag] = true;
                result[each.tag] = each;
            }
            done += count;
        }
    }
    return result;
}

void Driver::submit(const Request& request) {
    if (queue_->submit({&request, 1}) != 1) throw std::runtime_error("the queue is full");
}

std::vector<Completion> Driver::drain(std::size_t count) {
    std::vector<Completion> result;
    while (result.size() < count) {
        turn();
        std::array<Completion, 16> some;
        while (const auto reaped = queue_->reap(some))
            result.insert(result.end(), some.begin(), some.begin() + reaped);
    }
    return result;
}

Status Driver::write(std::uint64_t offset, std::span<const std::uint8_t> data, bool fua) {
    const iovec buffer{const_cast<std::uint8_t*>(data.data()), data.size()};
    return run(Request{.operation = Operation::write,
                       .fua = fua,
                       .offset = offset,
                       .length = data.size(),
                       .data = {&buffer, 1},
                       .zones = {}})
        .status;
}

Completion Driver::append(std::uint64_t zone_start, std::span<const std::uint8_t> data) {
    const iovec buffer{const_cast<std::uint8_t*>(data.data()), data.size()};
    return run(Request{.operation = Operation::append,
                       .offset = zone_start,
                       .length = data.size(),
                       .data = {&buffer, 1},
                       .zones = {}});
}

Status Driver::try_read(std::uint64_t offset, std::span<std::uint8_t> into) {
    const iovec buffer{into.data(), into.size()};
    return run(Request{.operation = Operation::read,
                       .offset = offset,
                       .length = into.size(),
                       .data = {&buffer, 1},
                       .zones = {}})
        .status;
}

Bytes Driver::read(std::uint64_t offset, std::size_t length) {
    Bytes data(length, 0xEE);
    EXPECT_EQ(try_read(offset, data).code, StatusCode::ok)
        << "read of " << length << " at " << offset;
    return data;
}

Status Driver::clear(Operation operation, std::uint64_t offset, std::uint64_t length) {
    return run(Request{.operation = operation,
                       .offset = offset,
                       .length = length,
                       .data = {},
                       .zones = {}})
        .status;
}

Status Driver::flush() {
    return run(Request{.operation = Operation::flush, .data = {}, .zones = {}}).status;
}

Completion Driver::act(Operation operation, std::uint64_t offset, std::uint64_t length) {
    return run(Request{
        .operation = operation, .offset = offset, .length = length, .data = {}, .zones = {}});
}

Status Driver::act_all(Operation operation) {
    return run(Request{.operation = operation, .scope = Scope::all, .data = {}, .zones = {}})
        .status;
}

std::vector<Zone> Driver::report(std::size_t zones, std::uint64_t offset) {
    std::vector<Zone> result(zones);
    const auto done =
        run(Request{.operation = Operation::report, .offset = offset, .data = {}, .zones = result});
    EXPECT_EQ(done.status.code, StatusCode::ok);
    result.resize(done.result);
    return result;
}

}  // namespace zonebridge::test
