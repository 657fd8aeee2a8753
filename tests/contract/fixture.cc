#include "tests/contract/fixture.h"

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "layers/fault/fault.h"
#include "layers/trace/trace.h"

namespace zonebridge::contract {
namespace {

template <typename T>
T or_throw(tl::expected<T, Error> what) {
    if (!what) throw std::runtime_error(what.error().message);
    return std::move(*what);
}

/// Asks for every refusal and ignores it.
class IgnoringSink final : public RefusalSink {
    [[nodiscard]] bool wants() const noexcept override { return true; }
    void refused(const Refusal&) noexcept override {}
};

bool is_among(const std::vector<std::uint32_t>& zones, std::uint32_t zone) {
    return std::find(zones.begin(), zones.end(), zone) != zones.end();
}

}  // namespace

bool is_blank(std::span<const std::uint8_t> bytes) {
    return std::all_of(bytes.begin(), bytes.end(),
                       [](auto byte) { return byte == 0 || byte == 0xFF; });
}

void Contract::SetUp() {
    open();
    if (!zoned()) return;
    for (std::uint32_t zone = 0; zone < layout().zone_count(); ++zone)
        if (!layout().is_conventional(zone) && !is_among(settings().offline, zone) &&
            !is_among(settings().read_only, zone))
            zones_.push_back(zone);
    ASSERT_FALSE(zones_.empty());
    ASSERT_EQ(disk().act_all(Operation::reset).code, StatusCode::ok);
}

void Contract::TearDown() {
    if (transport_) close();
}

void Contract::open(bool writable) {
    if (transport_) close();
    ring_ = or_throw(Ring::create());
    transport_ = or_throw(
        open_device(settings().device, {.writable = writable, .data_path = settings().data_path}));
    std::vector<fault::Rule> rules;
    for (const auto& text : settings().faults) {
        auto rule = fault::parse_rule(text);
        if (!rule) throw std::runtime_error(rule.error());
        rules.push_back(std::move(*rule));
    }
    transport_ = or_throw(fault::inject(std::move(transport_), std::move(rules)));
    static IgnoringSink ignoring_sink;
    if (settings().explained) transport_ = trace_refusals(std::move(transport_), ignoring_sink);
    disk_ = std::make_unique<Driver>(or_throw(transport_->open_queue(*ring_, {})), *ring_);
}

void Contract::close() {
    disk_.reset();
    const auto closed = transport_->close();
    EXPECT_TRUE(closed) << closed.error().message;
    forsake();
}

void Contract::forsake() {
    disk_.reset();
    transport_.reset();
    ring_.reset();
}

std::uint64_t Contract::piece() const {
    auto most = std::min<std::uint64_t>(limits().max_transfer, 32 << 10);
    if (zoned()) {
        if (appends()) most = std::min(most, limits().max_append);
        for (const auto zone : zones_) most = std::min(most, capacity(zone) / 32);
    }
    return std::max(most / unit() * unit(), unit());
}

std::size_t Contract::most_active() const {
    auto most = zones_.size();
    if (!limits().max_active || !required()) return most;
    // null_blk closes no zone to make room while the active limit is reached (oracle.h).
    const auto spare = limits().max_open && *limits().max_open < *limits().max_active ? 1U : 0U;
    return std::min<std::size_t>(most, *limits().max_active - spare);
}

void Contract::fill(std::uint64_t offset, std::uint64_t length, std::uint64_t stamp) {
    const auto most = limits().max_transfer / unit() * unit();
    for (std::uint64_t at = 0; at < length;) {
        const auto next = std::min({length - at, most, std::uint64_t{256} << 10});
        ASSERT_EQ(disk().write(offset + at, pattern(stamp + at, next)).code, StatusCode::ok)
            << next << " bytes at " << offset + at;
        at += next;
    }
}

void Contract::expect_filled(Driver& disk, std::uint64_t offset, std::uint64_t length,
                             std::uint64_t stamp) {
    const auto most = limits().max_transfer / unit() * unit();
    for (std::uint64_t at = 0; at < length;) {
        const auto next = std::min({length - at, most, std::uint64_t{256} << 10});
        ASSERT_EQ(disk.read(offset + at, next), pattern(stamp + at, next))
            << next << " bytes at " << offset + at;
        at += next;
    }
}

void Contract::expect_blank(std::uint64_t offset, std::uint64_t length) {
    const auto most = std::min<std::uint64_t>(limits().max_transfer, 256 << 10) / unit() * unit();
    for (std::uint64_t at = 0; at < length;) {
        const auto next = std::min(length - at, most);
        ASSERT_TRUE(is_blank(disk().read(offset + at, next)))
            << next << " bytes at " << offset + at;
        at += next;
    }
}

std::optional<std::uint64_t> Contract::random_area(std::uint64_t length) const {
    if (!zoned()) return length <= limits().size() ? std::optional<std::uint64_t>(0) : std::nullopt;
    for (std::uint32_t zone = 0; zone < layout().zone_count(); ++zone)
        if (layout().is_conventional(zone) && layout().length_of(zone) >= length)
            return start(zone);
    return std::nullopt;
}

void Contract::run(int count, const std::function<void(Driver&, int)>& body, QueueOptions options) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i)
        threads.emplace_back([&, i] {
            try {
                const auto ring = or_throw(Ring::create());
                Driver driver(or_throw(transport().open_queue(*ring, options)), *ring);
                body(driver, i);
            } catch (const std::exception& failure) {
                ADD_FAILURE() << "thread " << i << ": " << failure.what();
            }
        });
    for (auto& thread : threads) thread.join();
}

void ZonedContract::SetUp() {
    Contract::SetUp();
    if (!zoned()) GTEST_SKIP() << "the device has no zones";
}

void DataContract::SetUp() {
    Contract::SetUp();
    if (!moves_data()) GTEST_SKIP() << "the device moves no data";
}

}  // namespace zonebridge::contract
