#include "service/bus_helper.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <climits>
#include <fmt/format.h>

#include "base/thread.h"
#include "service/log.h"
#include "service/vdpa_users.h"

namespace zonebridge::service {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// For udev to load the driver, and the driver to probe.
constexpr seconds patience_with_driver{15};
/// For users to close the node, and their data to be written.
constexpr seconds patience_with_users{20};
constexpr milliseconds look_at_bus_again{50};

std::optional<milliseconds> left_until(Clock::time_point end) {
    const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
    if (left <= milliseconds::zero()) return std::nullopt;
    return left;
}

std::string joined(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, "; "));
}

}  // namespace

tl::expected<std::unique_ptr<BusHelper>, Error> BusHelper::start(std::unique_ptr<OwnDeviceBus> bus,
                                                                 const VduseOptions& options,
                                                                 int stop,
                                                                 const VduseCalls& calls) {
    auto helper = std::make_unique<BusHelper>(Private{}, std::move(bus), options, stop, calls);
    helper->done_ = make_event_fd();
    helper->session_over_ = make_event_fd();
    if (!helper->done_ || !helper->session_over_)
        return tl::unexpected(os_failure(errno, "can't make an eventfd"));
    try {
        helper->thread_ = start_thread("zb-vdpa", [&self = *helper] { self.run(); });
    } catch (const std::system_error& error) {
        return tl::unexpected(os_failure(error.code().value(), "can't start a thread"));
    }
    return helper;
}

BusHelper::BusHelper(Private, std::unique_ptr<OwnDeviceBus> bus, const VduseOptions& options,
                     int stop, const VduseCalls& calls)
    : bus_(std::move(bus)),
      options_(options),
      driver_(options.name, options.attach),
      stop_(stop),
      calls_(calls) {}

BusHelper::~BusHelper() {
    if (thread_.joinable()) (void)finish();
}

BusHelper::Outcome BusHelper::finish() {
    signal_event(session_over_);
    thread_.join();
    return std::move(outcome_);
}

void BusHelper::run() {
    keep_only_own_descriptors();
    outcome_ = live();
    signal_event(done_);
}

// A thread blocked in the kernel survives a kill -9 of its process, and keeps the files open that
// it shares with the process: the next server could take over neither the device nor the disk.
void BusHelper::keep_only_own_descriptors() const {
    std::array kept{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO,      stop_,
                    done_.get(),  bus_->fd(),    session_over_.get()};
    std::sort(kept.begin(), kept.end());
    unsigned next = 0;
    for (const auto fd : kept) {
        const auto here = static_cast<unsigned>(fd);
        if (here > next) (void)::close_range(next, here - 1, CLOSE_RANGE_UNSHARE);
        next = here + 1;
    }
    (void)::close_range(next, UINT_MAX, CLOSE_RANGE_UNSHARE);
}

BusHelper::Outcome BusHelper::live() {
    const auto found = bus_->find();
    if (!found) return {tl::unexpected(found.error()), false};
    const bool was_there = found->has_value();
    auto node = bring_up(was_there);
    if (!node) {
        // A device that was there before this server is not removed.
        if (was_there) return {tl::unexpected(std::move(node.error())), true};
        calls_.on_removal();
        const auto removed = bus_->remove();
        if (!removed) log("{}", removed.error().message);
        return {tl::unexpected(std::move(node.error())), !removed};
    }
    calls_.on_ready({.node = *node, .took_over = was_there});
    if (wait(std::nullopt) == Wake::signal) return take_down(*node);
    return {{}, true};
}

tl::expected<std::string, Error> BusHelper::bring_up(bool found) {
    if (!found)
        if (auto added = bus_->add(); !added) return tl::unexpected(std::move(added.error()));
    if (auto given = driver_.bind(); !given) return tl::unexpected(std::move(given.error()));
    return wait_for_node();
}

tl::expected<std::string, Error> BusHelper::wait_for_node() {
    const auto failure = [](std::string words) {
        return tl::unexpected(Error{StatusCode::io_error, std::move(words), {}});
    };
    const auto end = Clock::now() + patience_with_driver;
    for (;;) {
        if (auto node = driver_.node()) return std::move(*node);
        if (auto refusal = driver_.refusal()) return failure(std::move(*refusal));
        const auto left = left_until(end);
        if (!left) return failure(driver_.delay());
        switch (wait(std::min(*left, look_at_bus_again))) {
            case Wake::timeout:
            case Wake::other:
                break;
            case Wake::signal:
                return failure(fmt::format(
                    "{}: the server was told to stop before the disk appeared", options_.name));
            case Wake::session_over:
                return failure(
                    fmt::format("{}: the device ended before the disk appeared", options_.name));
        }
    }
}

BusHelper::Outcome BusHelper::take_down(const std::string& node) {
    auto users = users_of(node, options_.attach);
    std::optional<WriteOut> writing;
    if (!users.empty()) {
        switch (options_.attach) {
            case VdpaAttach::host:
                log("{}: {} is removed although it {}; first writing out the data in memory (a "
                    "second SIGTERM skips that)",
                    options_.name, node, joined(users));
                writing.emplace(node);
                switch (wait(patience_with_users, writing->done_fd())) {
                    case Wake::other:
                        break;
                    case Wake::timeout:
                        log("{}: writing out the data takes longer than {} s; not waiting any "
                            "longer",
                            options_.name, patience_with_users.count());
                        break;
                    case Wake::signal:
                        log("{}: told to stop again; not waiting any longer", options_.name);
                        break;
                    case Wake::session_over:
                        return {{}, true};
                }
                break;
            case VdpaAttach::guest:
                if (auto still = let_guest_go(node, std::move(users))) return std::move(*still);
                break;
        }
    }
    calls_.on_removal();
    if (auto removed = bus_->remove(); !removed) return {std::move(removed), true};
    return {{}, false};
}

// The kernel would block the removal, and all other calls to the bus, until the virtual machine
// closes the device.
std::optional<BusHelper::Outcome> BusHelper::let_guest_go(const std::string& node,
                                                          std::vector<std::string> users) {
    log("{}: {} {}; waiting until it is closed (a second SIGTERM skips that)", options_.name, node,
        joined(users));
    const auto end = Clock::now() + patience_with_users;
    while (!users.empty()) {
        const auto left = left_until(end);
        const auto woken = left ? wait(std::min(*left, look_at_bus_again * 4)) : Wake::signal;
        if (woken == Wake::session_over) return Outcome{{}, true};
        if (woken == Wake::signal)
            return Outcome{
                tl::unexpected(
                    Error{StatusCode::io_error,
                          fmt::format("{}: {} {}, so the device stays, and its guest waits: serve "
                                      "it again to let the guest continue, or, when the guest has "
                                      "ended, remove the device with 'vdpa dev del {}'",
                                      options_.name, node, joined(users), options_.name),
                          {}}),
                true};
        users = users_of(node, options_.attach);
    }
    return std::nullopt;
}

BusHelper::Wake BusHelper::wait(std::optional<milliseconds> time, int other) const {
    std::array watched{pollfd{session_over_.get(), POLLIN, 0}, pollfd{stop_, POLLIN, 0},
                       pollfd{other, POLLIN, 0}};
    const auto end = time ? std::optional(Clock::now() + *time) : std::nullopt;
    for (;;) {
        const auto left = end ? left_until(*end) : std::nullopt;
        if (end && !left) return Wake::timeout;
        const int count =
            ::poll(watched.data(), watched.size(), left ? static_cast<int>(left->count()) : -1);
        if (count <= 0) continue;
        if (watched[0].revents != 0) return Wake::session_over;
        if (watched[1].revents != 0) {
            // Read the signal, so that the next wake-up is a new one.
            signalfd_siginfo taken{};
            if (::read(stop_, &taken, sizeof(taken)) == sizeof(taken)) return Wake::signal;
        }
        if (watched[2].revents != 0) return Wake::other;
    }
}

}  // namespace zonebridge::service
