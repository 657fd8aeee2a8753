// The data that one command writes to a zone: the requests that are joined into it, and what each of
// them ends with.
//
// Threads: the queue that holds the zone's line.
// Ownership: borrows its requests and the place for their pieces.
#pragma once

#include <cstdint>
#include <span>
#include <sys/uio.h>

#include "transports/list.h"
#include "zone/request.h"

namespace zonebridge::sequencer {

struct Channel;
struct Line;
struct Node;
class Requests;
class WritePointer;

class Write {
  public:
    /// Where the buffers of joined requests are listed: as many as Channel::join_segments.
    void set_place(iovec* pieces) noexcept { pieces_ = pieces; }

    /// Takes from the line all requests that continue at its pointer and fit into one command; at
    /// least the first, which may be written there. Under the line's lock.
    void join(const Channel& channel, Line& line) noexcept;
    /// Makes up the command.
    void fill(Request& request) const noexcept {
        request.operation = Operation::write;
        request.fua = fua_;
        request.offset = offset_;
        request.length = length_;
        request.data = data_;
    }

    // ---- What became of the command. Each completes all of its requests.

    void succeed(Requests& requests) noexcept;
    void fail(Requests& requests, Status status) noexcept;
    /// The command failed, and then a report showed where the zone's pointer is: what lies wholly
    /// below it is there, but with FUA, since nothing says that it is durable. The rest
    /// fails, with a code that the zone's state gives and the failure's cause.
    void settle(Requests& requests, const WritePointer& pointer, Status failure) noexcept;

    /// Those not completed: they may wait again instead, before the next join().
    [[nodiscard]] List<Node> requests() const noexcept { return requests_; }

    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
    [[nodiscard]] std::uint64_t end() const noexcept { return offset_ + length_; }

  private:
    List<Node> requests_;
    std::uint64_t offset_ = 0;
    std::uint64_t length_ = 0;
    std::span<const iovec> data_;  // the only request's, or pieces_
    iovec* pieces_ = nullptr;
    bool fua_ = false;
};

}  // namespace zonebridge::sequencer
