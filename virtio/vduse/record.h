// What one process leaves for the next that serves the same VDUSE device, in a file: how the device
// was made, and which requests are in flight (inflight.h).
//
// The file is locked as long as it is open, so that one process has it; it is believed only if it
// is this user's alone.
//
// Threads: belongs to one thread; the area is shared with the queues.
// Ownership: owns the file's descriptor.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "virtio/inflight.h"
#include "virtio/vduse/device.h"

namespace zonebridge::virtio::vduse {

class Record {
  public:
    /// Configuration spaces up to this fit in.
    static constexpr std::size_t max_config = 2048;

    /// Opens FOLDER/vduse-NAME, making both if need be. Fails if another process has it, or it is
    /// not a file that only this user can write.
    [[nodiscard]] static tl::expected<Record, std::string> open(const std::string& folder,
                                                                const std::string& name);

    /// It was written for a device of exactly this shape.
    [[nodiscard]] bool fits(const Shape& shape) const;
    /// Begins anew, with nothing in flight.
    [[nodiscard]] tl::expected<void, std::string> write(const Shape& shape);
    /// The requests in flight, of a record that fits.
    [[nodiscard]] tl::expected<std::shared_ptr<const InflightArea>, std::string> area(
        const Shape& shape) const;
    /// Nothing was ever in flight, on any queue. No queue runs.
    [[nodiscard]] tl::expected<void, std::string> clear(const Shape& shape);
    void remove() noexcept;

  private:
    Record(std::string path, UniqueFd fd) noexcept : path_(std::move(path)), fd_(std::move(fd)) {}

    std::string path_;
    UniqueFd fd_;
};

}  // namespace zonebridge::virtio::vduse
