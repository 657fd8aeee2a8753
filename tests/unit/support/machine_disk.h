// A disk in memory with real semantics: the zone state machine over a vector of bytes. What a test
// wants a disk to do to its user (take little, hold back, fail) is switched on by hand.
//
// Threads: one at a time is let in.
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
    std::uint64_t last_zone_size = 0;  ///< 0: as the others.
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
    ZoneActions native_all = ZoneActions::all();  ///< It carries out the others, too, if asked.
    std::uint64_t max_clear = 0;  ///< In one discard or write of zeroes; 0: it has none.
};

[[nodiscard]] Limits limits_of(const MachineDiskShape& shape);

class MachineDisk final : public Transport {
  public:
    explicit MachineDisk(const MachineDiskShape& shape = {});

    [[nodiscard]] const Limits& limits() const noexcept override { return limits_; }
    [[nodiscard]] const Identity& identity() const noexcept override { return identity_; }
    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override;
    [[nodiscard]] tl::expected<void, Error> close() override { return {}; }

    [[nodiscard]] const MachineDiskShape& shape() const noexcept { return shape_; }
    [[nodiscard]] Machine& machine() noexcept { return machine_; }
    [[nodiscard]] std::vector<std::uint8_t>& bytes() noexcept { return bytes_; }

    // ---- What a test makes the disk do.

    /// Begins at most so many requests a turn; the others wait, in order.
    std::size_t take_at_most = std::numeric_limits<std::size_t>::max();
    /// Requests are carried out, but their completions stay back until this is false again.
    bool hold = false;
    /// Completions come last one first.
    bool reverse = false;
    /// The next request fails with this, not carried out.
    std::optional<StatusCode> fail_next;
    /// What is wrong with a zone, whatever the machine says: read_only or offline.
    std::map<std::uint32_t, ZoneState> broken;

    /// What is read where a discard was: nobody may count on anything.
    static constexpr std::uint8_t discarded = 0xDD;

    /// Everything the queues took, in order.
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
