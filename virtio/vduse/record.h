// A file that one process leaves for the next that serves the same VDUSE device: the device's
// parameters, and the requests in flight (inflight.h).
//
// The file is locked while it is open, so that only one process uses it; it is trusted only if no
// other user can write it.
//
// Threads: belongs to one thread; the queues share the area.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "virtio/inflight.h"
#include "virtio/vduse/device.h"

namespace zonebridge::virtio::vduse {

/// The file of the device `name`: FOLDER/vduse-NAME.
[[nodiscard]] std::string record_path(const std::string& folder, const std::string& name);

class Record {
  public:
    /// The largest configuration space.
    static constexpr std::size_t max_config = 2048;

    /// Opens FOLDER/vduse-NAME, creating both if need be. Fails if another process uses the file,
    /// or another user can write it.
    [[nodiscard]] static tl::expected<Record, std::string> open(const std::string& folder,
                                                                const std::string& name);

    /// The record was written for a device of exactly this shape.
    [[nodiscard]] bool fits(const Shape& shape) const;
    /// Starts a new record, with nothing in flight.
    [[nodiscard]] tl::expected<void, std::string> write(const Shape& shape);
    /// The requests in flight, of a record that fits.
    [[nodiscard]] tl::expected<std::shared_ptr<const InflightArea>, std::string> area(
        const Shape& shape) const;
    /// Clears the requests of all queues. Requires that no queue runs.
    [[nodiscard]] tl::expected<void, std::string> clear(const Shape& shape);
    void remove() noexcept;

  private:
    Record(std::string path, UniqueFd fd) noexcept : path_(std::move(path)), fd_(std::move(fd)) {}

    std::string path_;
    UniqueFd fd_;
};

}  // namespace zonebridge::virtio::vduse
