#include "tools/disk_client.h"

#include <array>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "transports/make_loop.h"
#include "transports/open.h"

namespace zonebridge::tools {

DiskClient::DiskClient(std::string device, std::unique_ptr<Transport> transport,
                       std::unique_ptr<Loop> loop, std::unique_ptr<Queue> queue)
    : device_(std::move(device)),
      transport_(std::move(transport)),
      loop_(std::move(loop)),
      queue_(std::move(queue)) {}

tl::expected<DiskClient, Failure> DiskClient::open(const DeviceArguments& device, Access access,
                                                   std::size_t depth) {
    auto transport = open_device(device.name, {.writable = access == Access::write,
                                               .force = device.force,
                                               .accept_loss = device.accept_loss,
                                               .data_path = device.data_path});
    if (!transport) return tl::unexpected(failure_of(transport.error()));
    auto loop = make_loop();
    if (!loop) return tl::unexpected(failure_of(loop.error()));
    auto queue = (*transport)->open_queue(**loop, {.depth = depth});
    if (!queue) return tl::unexpected(failure_of(queue.error()));

    if (const auto& notice = (*transport)->identity().notice; !notice.empty())
        fmt::print(stderr, "zonebridge: note: {}: {}\n", one_line(device.name), one_line(notice));
    return DiskClient(device.name, std::move(*transport), std::move(*loop), std::move(*queue));
}

std::string DiskClient::file() const {
    return identity().transport == "null" ? std::string() : identity().path;
}

Outcome DiskClient::turn(Loop::Wait wait) {
    if (auto turned = loop_->turn(wait); !turned) return tl::unexpected(failure_of(turned.error()));
    collect();
    return {};
}

void DiskClient::collect() {
    std::array<Completion, 64> out;
    for (;;) {
        const auto count = queue_->reap(out);
        done_.insert(done_.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(count));
        if (count < out.size()) return;
    }
}

Outcome DiskClient::submit(const Request& request) {
    while (queue_->submit({&request, 1}) == 0)
        if (auto turned = turn(Loop::Wait::sleep); !turned) return turned;
    return turn(Loop::Wait::poll);
}

tl::expected<Completion, Failure> DiskClient::wait() {
    while (next_ == done_.size()) {
        done_.clear();
        next_ = 0;
        if (auto turned = turn(Loop::Wait::sleep); !turned)
            return tl::unexpected(std::move(turned.error()));
    }
    return done_[next_++];
}

tl::expected<Completion, Failure> DiskClient::run(const Request& request) {
    if (auto submitted = submit(request); !submitted)
        return tl::unexpected(std::move(submitted.error()));
    return wait();
}

tl::expected<std::size_t, Failure> DiskClient::report(std::uint64_t offset, std::span<Zone> zones) {
    Request request;
    request.operation = Operation::report;
    request.offset = offset;
    request.zones = zones;
    const auto completion = run(request);
    if (!completion) return tl::unexpected(completion.error());
    if (!completion->status.ok())
        return tl::unexpected(
            failure_of(completion->status,
                       fmt::format("{}: zones can't be reported from offset {}", device_, offset)));
    return static_cast<std::size_t>(completion->result);
}

Outcome DiskClient::flush() {
    Request request;
    request.operation = Operation::flush;
    const auto completion = run(request);
    if (!completion) return tl::unexpected(completion.error());
    if (!completion->status.ok())
        return tl::unexpected(failure_of(
            completion->status, fmt::format("{}: the written data is not durable", device_)));
    return {};
}

Outcome DiskClient::close() {
    queue_.reset();
    if (auto closed = transport_->close(); !closed)
        return tl::unexpected(failure_of(closed.error()));
    return {};
}

}  // namespace zonebridge::tools
