// Carries out a request by blocking commands, for either dialect: splits, walks and retries as
// needed.
//
// Threads: run() from any thread, concurrently.
// Ownership: borrows ports, dialect and limits.
#pragma once

#include "transports/scsi/answer.h"
#include "transports/scsi/dialect.h"
#include "transports/scsi/port.h"
#include "zone/limits.h"
#include "zone/request.h"

namespace zonebridge::scsi {

class Executor {
  public:
    /// `control` for reports, actions and flushes; `data` for commands with a request's buffers.
    Executor(Port& control, Port& data, const Dialect& dialect, const Limits& limits) noexcept
        : control_(control), data_(data), dialect_(dialect), limits_(limits) {}

    /// The command for a read, write or flush, if it takes only one: a read that leaves a zone for
    /// a gap or for a zone of another type takes several.
    [[nodiscard]] std::optional<Call> single(const Request& request) const noexcept;

    /// Carries out a request that passed zone/check. `first`: the answer to its single() command,
    /// if it was already sent.
    [[nodiscard]] Completion run(const Request& request, const Answer* first = nullptr) noexcept;

    /// The completion that its single command's answer means, unless it must be sent again.
    [[nodiscard]] std::optional<Completion> conclude(const Request& request,
                                                     const Answer& answer) const noexcept;

  private:
    [[nodiscard]] std::uint64_t lba(std::uint64_t offset) const noexcept {
        return offset / limits_.logical_block_size;
    }
    [[nodiscard]] bool is_plain_read(const Request& request) const noexcept;
    [[nodiscard]] std::uint64_t piece_end(std::uint64_t from, std::uint64_t end,
                                          bool& gap) const noexcept;
    [[nodiscard]] Status send_single(const Request& request, const Call& call,
                                     const Answer* first) noexcept;
    [[nodiscard]] bool was_not_written(const Request& request) noexcept;
    [[nodiscard]] Status read_pieces(const Request& request) noexcept;
    [[nodiscard]] Status act(Operation operation, std::optional<std::uint64_t> zone) noexcept;
    void act_on_zones(const Request& request, Completion& completion) noexcept;
    void report(const Request& request, Completion& completion) noexcept;

    Port& control_;
    Port& data_;
    const Dialect& dialect_;
    const Limits& limits_;
};

}  // namespace zonebridge::scsi
