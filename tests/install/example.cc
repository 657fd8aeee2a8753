// A program that uses the installed library and nothing else of Zonebridge: makes an emulated disk,
// appends to a zone, reads back what landed, and reports the zone. docs/library.md shows it.
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
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

/// One request from its submission to its end; several may be in flight where that matters.
zonebridge::Completion run(zonebridge::Loop& loop, zonebridge::Queue& queue,
                           const zonebridge::Request& request) {
    if (queue.submit({&request, 1}) != 1) give_up("the queue is full");
    std::array<zonebridge::Completion, 1> done;
    while (queue.reap(done) == 0)
        if (const auto turned = loop.turn(zonebridge::Loop::Wait::sleep); !turned)
            give_up(turned.error().message);
    if (!done[0].status.ok()) give_up(std::string(zonebridge::explain(done[0].status.code)));
    return done[0];
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
    const auto loop = value_or_exit(zonebridge::make_loop());
    auto queue = value_or_exit(disk->open_queue(*loop, {.depth = 8}));
    const auto& layout = disk->limits().layout;

    std::vector<std::byte> data(65536, std::byte{0x5A});
    iovec buffer{data.data(), data.size()};
    zonebridge::Request append;
    append.operation = zonebridge::Operation::append;
    append.offset = layout.start_of(3);
    append.length = data.size();
    append.data = {&buffer, 1};
    run(*loop, *queue, append);
    const auto landed = run(*loop, *queue, append).result;

    std::vector<std::byte> back(data.size());
    iovec room{back.data(), back.size()};
    zonebridge::Request read;
    read.offset = landed;
    read.length = back.size();
    read.data = {&room, 1};
    run(*loop, *queue, read);
    if (back != data) give_up("what was read back is not what was appended");

    std::array<zonebridge::Zone, 1> zones;
    zonebridge::Request report;
    report.operation = zonebridge::Operation::report;
    report.offset = layout.start_of(3);
    report.zones = zones;
    run(*loop, *queue, report);
    std::printf("%s, landed at %llu, write pointer %llu, %s\n", disk->identity().transport.c_str(),
                static_cast<unsigned long long>(landed),
                static_cast<unsigned long long>(zones[0].write_pointer.value_or(0)),
                std::string(zonebridge::to_string(zones[0].state)).c_str());
    queue.reset();
    if (const auto closed = disk->close(); !closed) give_up(closed.error().message);
    return 0;
}
