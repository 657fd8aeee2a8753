// A program that uses the installed library and nothing else of Zonebridge: it makes an emulated
// disk, appends to a zone, reads the data back, and reports the zone, all from an event loop of its
// own. docs/library.md shows it.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <poll.h>
#include <span>
#include <string>
#include <sys/uio.h>
#include <utility>
#include <vector>

#include "transports/emulated/emulated.h"
#include "transports/make_loop.h"
#include "transports/open.h"
#include "zone/request.h"
#include "zone/transport.h"

namespace {

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "example: %s\n", why.c_str());
    std::exit(1);
}

template <typename Value>
Value value_or_exit(tl::expected<Value, zonebridge::Error> result) {
    if (!result) give_up(result.error().message);
    return std::move(*result);
}

/// Runs all requests concurrently, in an event loop such as a program has that also waits for other
/// events. Returns the results in the order of the requests.
std::vector<std::uint64_t> run(zonebridge::Loop& loop, zonebridge::Queue& queue,
                               std::vector<zonebridge::Request> requests) {
    for (std::size_t i = 0; i < requests.size(); ++i) requests[i].tag = i;
    std::vector<std::uint64_t> results(requests.size());
    std::size_t submitted = 0;
    pollfd waiting{loop.fd().value(), POLLIN, 0};
    for (std::size_t done = 0; done < requests.size();) {
        submitted += queue.submit(std::span(requests).subspan(submitted));
        // A program would wait without a limit; here, a request that never wakes this thread is an
        // error.
        const auto woken = ::poll(&waiting, 1, 30'000);
        if (woken < 0 && errno == EINTR) continue;
        if (woken != 1) give_up("the loop's descriptor does not become readable");
        if (const auto turned = loop.turn(zonebridge::Loop::Wait::poll); !turned)
            give_up(turned.error().message);
        std::array<zonebridge::Completion, 4> some;
        const auto reaped = queue.reap(some);
        for (const auto& each : std::span(some).first(reaped)) {
            if (!each.status.ok()) give_up(std::string(zonebridge::explain(each.status.code)));
            results.at(each.tag) = each.result;
        }
        done += reaped;
    }
    return results;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) give_up("usage: example FILE");
    zonebridge::emulated::Shape shape;
    shape.size = std::uint64_t{64} << 20;
    shape.zone_size = std::uint64_t{4} << 20;
    if (const auto made = zonebridge::emulated::create(argv[1], shape); !made)
        give_up(made.error().message);

    // Everything below is the same for a real disk: "/dev/sda", "nvme:/dev/ng0n1".
    const auto disk = value_or_exit(zonebridge::open_device(argv[1], {.writable = true}));
    const auto loop = value_or_exit(zonebridge::make_loop(zonebridge::Loop::Use::polled));
    auto queue = value_or_exit(disk->open_queue(*loop, {.depth = 8}));
    const auto& layout = disk->limits().layout;

    // More requests than the queue takes at once: the rest is submitted as room comes.
    constexpr std::size_t count = 12;
    constexpr std::size_t length = 65536;
    std::vector<std::vector<std::byte>> data;
    std::vector<iovec> buffers(count);
    std::vector<zonebridge::Request> appends(count);
    for (std::size_t i = 0; i < count; ++i) {
        data.emplace_back(length, static_cast<std::byte>(i + 1));
        buffers[i] = {data[i].data(), length};
        appends[i].operation = zonebridge::Operation::append;
        appends[i].offset = layout.start_of(3);
        appends[i].length = length;
        appends[i].data = {&buffers[i], 1};
    }
    const auto landed = run(*loop, *queue, appends);

    std::vector<std::vector<std::byte>> back(count, std::vector<std::byte>(length));
    std::vector<iovec> rooms(count);
    std::vector<zonebridge::Request> reads(count);
    for (std::size_t i = 0; i < count; ++i) {
        rooms[i] = {back[i].data(), length};
        reads[i].offset = landed[i];
        reads[i].length = length;
        reads[i].data = {&rooms[i], 1};
    }
    run(*loop, *queue, reads);
    if (back != data) give_up("what was read back is not what was appended");

    std::array<zonebridge::Zone, 1> zones;
    zonebridge::Request report;
    report.operation = zonebridge::Operation::report;
    report.offset = layout.start_of(3);
    report.zones = zones;
    run(*loop, *queue, {report});
    std::printf("%s, %zu appends from %llu on, write pointer %llu, %s\n",
                disk->identity().transport.c_str(), count,
                static_cast<unsigned long long>(*std::min_element(landed.begin(), landed.end())),
                static_cast<unsigned long long>(zones[0].write_pointer.value_or(0)),
                std::string(zonebridge::to_string(zones[0].state)).c_str());
    queue.reset();
    if (const auto closed = disk->close(); !closed) give_up(closed.error().message);
    return 0;
}
