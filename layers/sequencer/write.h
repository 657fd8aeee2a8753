// One command that writes data to a zone: the requests joined into it, and the result of each.
//
// Threads: belongs to the queue that holds the zone's line.
#pragma once

#include <cstdint>
#include <span>
#include <sys/uio.h>

#include "base/list.h"
#include "zone/request.h"

namespace zonebridge::sequencer {

struct Channel;
struct Line;
struct Node;
class Requests;
class WritePointer;

class Write {
  public:
    /// The list for the buffers of joined requests: Channel::join_segments entries.
    void set_place(iovec* pieces) noexcept { pieces_ = pieces; }

    /// Takes from the line all requests that continue at its pointer and fit into one command: at
    /// least the first, which must be allowed there. Under the line's lock.
    void join(const Channel& channel, Line& line) noexcept;
    /// Whether the command is a single write of the upper queue, unchanged.
    [[nodiscard]] bool is_as_it_came() const noexcept;
    /// Fills in the command.
    void fill(Request& request) const noexcept {
        request.operation = Operation::write;
        request.fua = fua_;
        request.offset = offset_;
        request.length = length_;
        request.data = data_;
    }

    // ---- The command's result. Each completes all of its requests.

    void succeed(Requests& requests) noexcept;
    void fail(Requests& requests, Status status) noexcept;
    /// The command failed, and then a report showed the zone's pointer. Requests wholly below the
    /// pointer succeeded, except those with FUA, because nothing says that their data is durable.
    /// The rest fail, with a code derived from the zone's state and the failure's cause.
    void settle(Requests& requests, const WritePointer& pointer, Status failure) noexcept;

    /// The requests not completed: they may be put back, before the next join().
    [[nodiscard]] List<Node> requests() const noexcept { return requests_; }

    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
    [[nodiscard]] std::uint64_t end() const noexcept { return offset_ + length_; }

  private:
    List<Node> requests_;
    std::uint64_t offset_ = 0;
    std::uint64_t length_ = 0;
    std::span<const iovec> data_;  // of the only request, or pieces_
    iovec* pieces_ = nullptr;
    bool fua_ = false;
};

}  // namespace zonebridge::sequencer
