// The scsi transport over a simulated ATA disk: discovered, opened and driven as a real disk, but
// without the kernel.
//
// Threads: one at a time, except for the queue's own.
// Ownership: owns the simulated disk and the discovered facts; queues borrow both.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/transports/scsi/simulated_ata.h"
#include "transports/scsi/discover.h"
#include "transports/scsi/queue.h"

namespace zonebridge::test {

inline constexpr auto simulated_path = "/dev/simulated";

inline tl::expected<scsi::DiskFacts, Error> discover(SimulatedAta& ata,
                                                     std::uint64_t host_max_transfer = 1 << 20) {
    return scsi::discover(
        ata, simulated_path,
        {.host_max_transfer = host_max_transfer, .max_segments = 16, .find_zac = scsi::find_zac});
}

/// The port of one queue to a disk that several queues share.
class SharedPort final : public scsi::Port {
  public:
    explicit SharedPort(scsi::Port& port) : port_(port) {}
    [[nodiscard]] scsi::Answer run(const scsi::Command& command) noexcept override {
        return port_.run(command);
    }

  private:
    scsi::Port& port_;
};

class SimulatedDisk final : public Transport {
  public:
    SimulatedDisk(std::unique_ptr<SimulatedAta> ata, scsi::DiskFacts disk)
        : ata_(std::move(ata)), disk_(std::move(disk)) {}

    [[nodiscard]] const Limits& limits() const noexcept override { return disk_.limits; }
    [[nodiscard]] const Identity& identity() const noexcept override { return disk_.identity; }
    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override {
        scsi::Ports ports;
        ports.control = std::make_unique<SharedPort>(*ata_);
        ports.data = std::make_unique<SharedPort>(*ata_);
        return scsi::ScsiQueue::open(loop, disk_.limits, *disk_.dialect, std::move(ports),
                                     options.depth);
    }
    [[nodiscard]] tl::expected<void, Error> close() override { return {}; }

    [[nodiscard]] SimulatedAta& ata() noexcept { return *ata_; }
    [[nodiscard]] const scsi::DiskFacts& found() const noexcept { return disk_; }

  private:
    std::unique_ptr<SimulatedAta> ata_;
    scsi::DiskFacts disk_;
};

/// Submits requests to a queue of `device` and waits for each.
class RequestRunner {
  public:
    explicit RequestRunner(Transport& device) : queue_(*device.open_queue(loop_, {.depth = 8})) {}

    Completion ask(Request request) {
        if (queue_->submit({&request, 1}) != 1) return {0, {StatusCode::aborted, {}}, 0};
        Completion completion;
        while (queue_->reap({&completion, 1}) == 0) {
            if (!loop_.turn(Loop::Wait::sleep)) return {0, {StatusCode::aborted, {}}, 0};
            std::this_thread::yield();  // this loop does not sleep
        }
        return completion;
    }
    StatusCode read(std::uint64_t offset, std::vector<std::uint8_t>& data) {
        return move(Operation::read, offset, data, false);
    }
    StatusCode write(std::uint64_t offset, std::vector<std::uint8_t> data, bool fua = false) {
        return move(Operation::write, offset, data, fua);
    }
    StatusCode flush() { return ask({.operation = Operation::flush}).status.code; }
    Completion act(Operation operation, std::uint64_t offset, std::uint64_t length) {
        return ask({.operation = operation, .offset = offset, .length = length});
    }
    StatusCode act_all(Operation operation) {
        return ask({.operation = operation, .scope = Scope::all}).status.code;
    }
    std::vector<Zone> report(std::uint64_t offset, std::size_t most) {
        std::vector<Zone> zones(most);
        const auto done = ask({.operation = Operation::report, .offset = offset, .zones = zones});
        zones.resize(done.status.ok() ? done.result : 0);
        return zones;
    }
    Queue& queue() { return *queue_; }

  private:
    /// Uses three buffers if the data is long enough.
    StatusCode move(Operation operation, std::uint64_t offset, std::vector<std::uint8_t>& data,
                    bool fua) {
        std::vector<iovec> pieces;
        for (std::size_t at = 0; at < data.size();) {
            const auto rest = data.size() - at;
            const auto length = pieces.size() < 2 ? std::min<std::size_t>(rest, 1000) : rest;
            pieces.push_back({data.data() + at, length});
            at += length;
        }
        return ask({.operation = operation,
                    .fua = fua,
                    .offset = offset,
                    .length = data.size(),
                    .data = pieces})
            .status.code;
    }

    HandLoop loop_;
    std::unique_ptr<Queue> queue_;
};

}  // namespace zonebridge::test
