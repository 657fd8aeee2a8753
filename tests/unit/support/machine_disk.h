// A disk in memory: the zone state machine over a vector of bytes. A test can make the disk begin
// few requests at a time, hold back completions, or fail.
//
// Threads: queues on several threads carry out requests one at a time, under a mutex.
// Ownership: owns its bytes; queues borrow it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "zone/machine.h"
#include "zone/transport.h"

namespace zonebridge::test {

struct MachineDiskShape {
    std::uint64_t zones = 16;
    std::uint64_t zone_size = 64 << 10;
    std::optional<std::uint64_t> zone_capacity = std::nullopt;
    std::uint32_t conventional = 2;
    std::uint64_t last_zone_size = 0;  ///< 0: as large as the others.
    std::uint32_t logical_block_size = 512;
    std::uint32_t physical_block_size = 4096;
    Model model = Model::host_managed;
    std::optional<std::uint32_t> max_open = std::nullopt;
    std::optional<std::uint32_t> max_active = std::nullopt;
    std::uint64_t max_transfer = 32 << 10;
    std::uint32_t max_segments = 16;
    Support fua = Support::native;
    Support append = Support::absent;
    bool reads_past_pointer = true;
    bool read_only = false;
    ZoneActions native_all = ZoneActions::all();  ///< Others work too if asked for.
    std::uint64_t max_clear = 0;  ///< Bytes in one discard or write of zeroes; 0: neither exists.
};

[[nodiscard]] Limits limits_of(const MachineDiskShape& shape);

class MachineDisk final : public Transport {
  public:
    /// `storage` is used for the disk's bytes, and what it holds stays; bytes that it lacks are zeroes.
    explicit MachineDisk(const MachineDiskShape& shape = {},
                         std::vector<std::uint8_t> storage = {});

    [[nodiscard]] const Limits& limits() const noexcept override { return limits_; }
    [[nodiscard]] const Identity& identity() const noexcept override { return identity_; }
    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override;
    [[nodiscard]] tl::expected<void, Error> close() override { return {}; }

    [[nodiscard]] const MachineDiskShape& shape() const noexcept { return shape_; }
    [[nodiscard]] Machine& machine() noexcept { return machine_; }
    [[nodiscard]] std::vector<std::uint8_t>& bytes() noexcept { return bytes_; }

    // ---- What a test can make the disk do.

    /// The disk begins at most this many requests a turn; the others wait, in order.
    std::size_t take_at_most = std::numeric_limits<std::size_t>::max();
    /// Requests are carried out, but their completions are held back until this is false again.
    bool hold = false;
    /// No queue that is opened from now on is deeper, whatever depth is asked for.
    std::size_t deepest = std::numeric_limits<std::size_t>::max();
    /// Completions come in reverse order.
    bool reverse = false;
    /// The next request fails with this code and is not carried out.
    std::optional<StatusCode> fail_next;
    /// Zones that are read_only or offline, whatever the state machine says.
    std::map<std::uint32_t, ZoneState> broken;

    /// Discarded bytes read as this value, so that no test can rely on zeroes.
    static constexpr std::uint8_t discarded = 0xDD;

    /// All requests that the queues took, in order.
    struct Taken {
        Operation operation;
        Scope scope;
        bool fua;
        std::uint64_t offset;
        std::uint64_t length;
        std::size_t segments;
        bool may_unmap;
    };
    std::vector<Taken> taken;

  private:
    friend class MachineQueue;

    [[nodiscard]] Completion carry_out(const Request& request);
    [[nodiscard]] StatusCode read(const Request& request);
    void clear_unwritten(std::uint64_t offset, const iovec& buffer);
    [[nodiscard]] StatusCode write(std::uint64_t offset, const Request& request);
    [[nodiscard]] StatusCode clear(const Request& request);
    [[nodiscard]] StatusCode act(const Request& request, std::uint64_t& acted);
    [[nodiscard]] StatusCode broken_in(std::uint64_t offset, std::uint64_t length, bool reads);

    MachineDiskShape shape_;
    Limits limits_;
    Identity identity_;
    Machine machine_;
    std::vector<std::uint8_t> bytes_;
    std::mutex mutex_;
};

}  // namespace zonebridge::test
