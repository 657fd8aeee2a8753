// The virtio-blk device's data path on one thread: turns chains from its virtqueues into requests
// to the disk, and completions into answers. Vhost-user and VDUSE share this parser.
//
// Threads: belongs to the thread of its loop.
// Ownership: borrows the loop, the transport and each VirtQueue from attach to detach; owns the
// storage queue and the memory of all requests in flight, so that nothing allocates once a queue is
// attached.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "virtio-blk/config.h"
#include "virtio-blk/recovery.h"
#include "virtio-blk/report.h"
#include "virtio-blk/wire.h"
#include "virtio/device.h"
#include "virtio/virtqueue.h"
#include "zone/loop.h"
#include "zone/refusal.h"
#include "zone/transport.h"

namespace zonebridge::virtio_blk {

struct Port;
struct Slot;

class BlockDevice final : public virtio::Device {
    struct Private {};

  public:
    /// `id`: the answer to GET_ID, cut to id_size. `max_append`: bytes, as in the configuration
    /// space.
    struct Options {
        std::string_view id;
        std::uint64_t max_append = 0;
        /// Receives requests that are refused here, before they reach the disk; outlives the
        /// device. May be null.
        RefusalSink* refusals = nullptr;
    };

    /// Opens a storage queue.
    [[nodiscard]] static tl::expected<std::unique_ptr<BlockDevice>, Error> open(
        Loop& loop, Transport& transport, const Options& options);

    BlockDevice(Private, Loop& loop, const Limits& limits, std::unique_ptr<Queue> queue,
                const Options& options);  // by open()
    BlockDevice(const BlockDevice&) = delete;
    BlockDevice& operator=(const BlockDevice&) = delete;
    ~BlockDevice() override;

    /// The features that the driver accepted.
    struct Mode {
        bool zoned = false;  ///< feature::zoned.
        /// Every change, of data or of a zone, is durable before it is answered.
        bool write_through = true;
        bool discard = false;       ///< feature::discard.
        bool write_zeroes = false;  ///< feature::write_zeroes.
    };
    /// Applies to requests taken from now on. If a host-managed disk's driver did not accept
    /// F_ZONED, everything that reads or writes gets an I/O error: the disk must never look like an
    /// ordinary one.
    void set_mode(const Mode& mode) noexcept { mode_ = mode; }

    void attach(std::uint16_t index, virtio::VirtQueue& queue) override;
    void detach(std::uint16_t index) noexcept override;
    [[nodiscard]] std::size_t bytes_for(std::uint16_t size) const noexcept override;
    [[nodiscard]] bool take(std::uint16_t index) noexcept override;
    [[nodiscard]] bool waits(std::uint16_t index) const noexcept override;
    void complete() noexcept override;
    void recover(virtio::Lost lost) noexcept override;
    [[nodiscard]] bool recovering() const noexcept override;
    [[nodiscard]] std::size_t in_flight(std::uint16_t index) const noexcept override;
    [[nodiscard]] const std::optional<std::string>& fault() const noexcept override {
        return fault_;
    }

  private:
    [[nodiscard]] Slot* pop(Port& port) noexcept;
    void start(Slot& slot) noexcept;
    /// Answers a request that has more buffers than this device takes.
    void refuse_cut(Slot& slot) noexcept;
    void start_data(Slot& slot, Operation operation, std::span<const iovec> data,
                    std::uint64_t length) noexcept;
    void start_clear(Slot& slot) noexcept;
    void continue_clear(Slot& slot) noexcept;
    void start_report(Slot& slot) noexcept;
    void start_action(Slot& slot, Operation operation) noexcept;
    void start_flush(Slot& slot) noexcept;
    void answer_id(Slot& slot) noexcept;

    void finish(Slot& slot, const Completion& completion) noexcept;
    void finish_report_piece(Slot& slot, const Completion& completion) noexcept;
    void end_report(Slot& slot, RequestStatus status) noexcept;

    /// Takes as many recovered requests as there are pieces for; complete() takes the rest.
    void take_recovered(Port& port) noexcept;
    void recover(Slot& slot, virtio::Lost lost) noexcept;
    void finish_recovery(Slot& slot, const Completion& completion) noexcept;

    void enqueue(const Request& request) noexcept;
    void submit() noexcept;
    [[nodiscard]] RequestStatus status_of(const Slot& slot, StatusCode code) const noexcept;
    void answer(Slot& slot, RequestStatus status) noexcept;
    /// Answers a request without asking the disk, and reports the refusal. `offset` in bytes, on
    /// the disk or past its end.
    void refuse(Slot& slot, Operation operation, std::uint64_t offset, std::uint64_t length,
                StatusCode code) noexcept;
    void fail(std::string text) noexcept;
    [[nodiscard]] Port* port(std::uint16_t index) const noexcept;

    Loop& loop_;
    const Limits& limits_;
    std::unique_ptr<Queue> queue_;
    std::uint64_t max_append_;
    RefusalSink* refusals_;
    std::array<std::uint8_t, id_size> id_{};
    Mode mode_;
    std::vector<std::unique_ptr<Port>> ports_;

    /// Taken and not yet accepted by queue_, oldest first, from pending_head_ on. Has capacity for
    /// twice the slots, so that moving the rest to the front costs almost nothing per request.
    std::vector<Request> pending_;
    std::size_t pending_head_ = 0;

    Reports reports_;
    Recovery recovery_;
    std::array<Completion, 32> completions_;
    std::optional<std::string> fault_;
};

}  // namespace zonebridge::virtio_blk
