// What the emulated disk's tests share: a scratch folder, a disk with one queue that is driven
// request by request, and data that tells where it came from.
//
// Threads: a Rig belongs to the thread that made it.
// Ownership: a Rig owns its disk, its ring and its queue.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "transports/emulated/disk.h"
#include "transports/emulated/emulated.h"
#include "transports/ring.h"
#include "zone/transport.h"

namespace zonebridge::emulated {

using Bytes = std::vector<std::uint8_t>;

/// A folder that is gone when the test is.
class ScratchFolder {
  public:
    /// In memory, where there is such a place, syncs cost nothing.
    enum class Place { disk, memory };
    explicit ScratchFolder(Place place = Place::disk);
    ~ScratchFolder();
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

/// Bytes that no other `stamp` or position has.
[[nodiscard]] Bytes pattern(std::uint64_t stamp, std::size_t length);

/// Drives one queue.
class Driver {
  public:
    Driver(std::unique_ptr<Queue> queue, Ring& ring) : queue_(std::move(queue)), ring_(ring) {}

    /// Submits all, waits for all; completions in the order of the requests.
    std::vector<Completion> run(std::span<const Request> requests);
    Completion run(const Request& request) { return run(std::span(&request, 1)).front(); }

    Status write(std::uint64_t offset, std::span<const std::uint8_t> data, bool fua = false);
    Completion append(std::uint64_t zone_start, std::span<const std::uint8_t> data);
    /// Fails the test if the read does.
    Bytes read(std::uint64_t offset, std::size_t length);
    Status flush();
    Completion act(Operation operation, std::uint64_t offset, std::uint64_t length);
    Status act_all(Operation operation);
    std::vector<Zone> report(std::size_t zones, std::uint64_t offset = 0);

    /// Hands over without waiting; reap with drain().
    void submit(const Request& request);
    /// Turns the loop until `count` completions came; fewer if `give_up` says so.
    std::vector<Completion> drain(std::size_t count);

    [[nodiscard]] Queue& queue() noexcept { return *queue_; }
    void close() { queue_.reset(); }

  private:
    std::unique_ptr<Queue> queue_;
    Ring& ring_;
};

/// A disk in a host file, opened through the public face.
class Rig {
  public:
    explicit Rig(const std::string& path, bool writable = true);
    ~Rig();
    Driver& operator*() noexcept { return *driver_; }
    Driver* operator->() noexcept { return driver_.get(); }
    [[nodiscard]] Transport& transport() noexcept { return *transport_; }
    [[nodiscard]] Ring& ring() noexcept { return *ring_; }
    tl::expected<void, Error> close();

  private:
    std::unique_ptr<Ring> ring_;
    std::unique_ptr<Transport> transport_;
    std::unique_ptr<Driver> driver_;
};

/// 2 conventional and 14 sequential zones of 64 KiB, 48 KiB of them writable; the last is short.
[[nodiscard]] Shape small_shape();

}  // namespace zonebridge::emulated
