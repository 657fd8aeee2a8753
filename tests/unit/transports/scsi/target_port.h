// A Port to a simulated disk: the project's own ZBC target over a disk in memory, so that other
// code decodes what the host encodes. No real disk can be made to return wrong data, to be busy or
// to raise unit attentions on demand. This port does all of that if a test wants it.
//
// Threads: any thread may call run(); a mutex lets one in at a time. Use the rest before or after.
// Ownership: borrows the disk; owns the target.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tests/unit/support/hand_loop.h"
#include "tests/unit/support/machine_disk.h"
#include "transports/scsi/port.h"
#include "zbc/sense.h"
#include "zbc/target.h"

namespace zonebridge::scsi::test {

using Bytes = std::vector<std::uint8_t>;

inline Answer check_condition(std::uint8_t key, std::uint8_t asc, std::uint8_t ascq,
                              zbc::SenseFormat format = zbc::SenseFormat::fixed) {
    Answer answer;
    answer.status = 0x02;
    answer.sense_length = zbc::encode_sense({static_cast<zbc::SenseKey>(key), asc, ascq, {}, {}},
                                            format, answer.sense);
    return answer;
}
inline Answer host(std::uint16_t byte) {
    Answer answer;
    answer.host = byte;
    return answer;
}
inline Answer os(int error) {
    Answer answer;
    answer.os_error = error;
    return answer;
}
inline Answer status_only(std::uint8_t status) {
    Answer answer;
    answer.status = status;
    return answer;
}

class TargetPort final : public Port {
  public:
    explicit TargetPort(zonebridge::test::MachineDisk& disk)
        : target_(std::move(zbc::make_target(disk).value())),
          queue_(std::move(target_->open_queue(loop_, 1).value())) {}

    Answer run(const Command& command) noexcept override {
        const std::lock_guard guard(lock_);
        sent.emplace_back(command.cdb.begin(), command.cdb.end());
        for (auto& one : instead) {
            if (one.opcode != command.cdb[0] || one.answers.empty()) continue;
            const auto answer = one.answers.front();
            one.answers.pop_front();
            if (one.carried_out) static_cast<void>(carry_out(command));
            return answer;
        }
        auto answer = carry_out(command);
        if (tamper && command.direction == Direction::in)
            tamper(command, std::span(static_cast<std::uint8_t*>(command.data.front().iov_base),
                                      command.data.front().iov_len));
        return answer;
    }

    /// The answers to the next commands of an opcode, instead of the disk's.
    struct Instead {
        std::uint8_t opcode = 0;
        std::deque<Answer> answers;
        bool carried_out = false;  ///< The disk also carries it out; its answer is dropped.
    };
    std::vector<Instead> instead;
    /// Changes the data that the disk sent.
    std::function<void(const Command&, std::span<std::uint8_t>)> tamper;
    std::vector<Bytes> sent;

    [[nodiscard]] std::size_t count(std::uint8_t opcode) const {
        return static_cast<std::size_t>(std::count_if(
            sent.begin(), sent.end(), [&](const Bytes& cdb) { return cdb.front() == opcode; }));
    }

  private:
    Answer carry_out(const Command& command) {
        const auto in = command.direction == Direction::in;
        const zbc::Task task{1, command.cdb, in ? std::span<const iovec>() : command.data,
                             in ? command.data : std::span<const iovec>()};
        static_cast<void>(queue_->submit({&task, 1}));
        zbc::TaskResult result;
        while (queue_->reap({&result, 1}) == 0) static_cast<void>(loop_.turn(Loop::Wait::poll));
        Answer answer;
        answer.status = static_cast<std::uint8_t>(result.status);
        answer.sense_length = result.sense_length;
        std::copy(result.sense.begin(), result.sense.end(), answer.sense.begin());
        const auto moved = in ? result.data_in_length : result.data_out_length;
        answer.residual = command.length - static_cast<std::uint32_t>(moved);
        return answer;
    }

    zonebridge::test::HandLoop loop_;
    std::unique_ptr<zbc::LogicalUnit> target_;
    std::unique_ptr<zbc::TaskQueue> queue_;
    std::mutex lock_;
};

/// A port for an owner that must not own the real one.
class BorrowedPort final : public Port {
  public:
    explicit BorrowedPort(Port& port) noexcept : port_(port) {}
    Answer run(const Command& command) noexcept override { return port_.run(command); }

  private:
    Port& port_;
};

}  // namespace zonebridge::scsi::test
