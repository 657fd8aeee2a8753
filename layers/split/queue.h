// One thread's queue of the layer that splits long requests. Private to layers/split.
//
// Threads: belongs to the thread of its loop.
// Ownership: owns the queue below. Allocates only when it is made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/iovec.h"
#include "base/list.h"
#include "base/ring_buffer.h"
#include "layers/tag_table.h"
#include "zone/transport.h"

namespace zonebridge {

class SplitQueue final : public Queue {
  public:
    /// The most pieces in flight, of all requests of a queue together.
    static constexpr std::size_t most_pieces = 8;

    /// `below`: the limits of the queue below, which outlive this queue.
    SplitQueue(Loop& loop, const Limits& limits, const Limits& below, std::unique_ptr<Queue> inner);

  private:
    /// A request in flight. A short one uses the first two members alone.
    struct alignas(64) Slot {
        Slot* next = nullptr;
        std::uint64_t tag = 0;
        // ---- A long request, and a request that waits behind one.
        Request request;
        IovecCursor rest;           // of the buffers: what no piece has yet
        std::uint64_t sent = 0;     // bytes that pieces have or had
        std::size_t in_flight = 0;  // pieces
        bool in_order = false;
        std::optional<std::uint32_t> zone;  // of a write that later writes to this zone wait for
        Status status = {};
        std::uint64_t failed_at = 0;  // the position of the failed piece; only if not ok
    };
    struct Piece {
        Piece* next = nullptr;
        Slot* slot = nullptr;
        std::uint64_t at = 0;  // the position in the request
        std::unique_ptr<iovec[]> room;
    };
    /// Marks the tags of pieces.
    static constexpr std::uint64_t piece_mark = 1;

    void accept(std::span<const Request> requests) noexcept override;
    std::size_t collect(std::span<Completion> out) noexcept override;

    [[nodiscard]] bool is_long(const Request& request) const noexcept;
    /// The sequential write required zone that the request writes to.
    [[nodiscard]] std::optional<std::uint32_t> written_zone(const Request& request) const noexcept;
    [[nodiscard]] bool waits(const Request& request) const noexcept;

    void begin(Slot& slot) noexcept;
    /// Sends pieces while some are free, a request's turn after the other's.
    void send_pieces() noexcept;
    void send_piece(Slot& slot, Piece& piece) noexcept;
    [[nodiscard]] bool wants_piece(const Slot& slot) const noexcept;
    void piece_ended(Piece& piece, const Completion& completion) noexcept;
    /// Sends the requests that waited for a zone, up to the next long write.
    void release() noexcept;
    void finish(Slot& slot, Status status, std::uint64_t result) noexcept;

    const Limits& below_;
    TagTable<Slot> slots_;
    std::vector<Piece> pieces_;
    List<Piece> free_pieces_;
    List<Slot> ready_;    // long requests that want a piece, in turns
    List<Slot> waiting_;  // requests that wait for a long write to their zone, in their order
    std::vector<std::uint32_t> busy_;  // zones of long writes in flight; never grows
    RingBuffer<Completion> done_;
    std::unique_ptr<Queue> inner_;  // last: it lets go of the pieces before they end
};

}  // namespace zonebridge
