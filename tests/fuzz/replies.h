// A disk's answers as bytes, which a fuzzer can change: one port records answers, another replays
// them.
//
// Ownership: ports borrow the input or the port behind them.
//
// An answer begins with a byte for its kind, modulo 4: 0 GOOD, followed by two bytes of length and
// the data; 1 CHECK CONDITION, followed by a byte of length and the sense data; 2 an error of the
// operating system, one byte; 3 a SCSI status, one byte.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "tests/fuzz/input.h"
#include "transports/scsi/answer.h"
#include "transports/scsi/port.h"

namespace zonebridge::fuzz {

/// Answers from the input. At its end, the disk is gone.
class ReplyingPort final : public scsi::Port {
  public:
    explicit ReplyingPort(Input& input) noexcept : input_(input) {}

    [[nodiscard]] scsi::Answer run(const scsi::Command& command) noexcept override {
        scsi::Answer answer;
        if (input_.empty()) {
            answer.os_error = ENODEV;
            return answer;
        }
        switch (input_.byte() % 4) {
            case 0:
                answer.residual = command.length - give(command, input_.take(input_.number(2)));
                break;
            case 1: {
                const auto sense = input_.take(input_.byte());
                answer.status = 0x02;
                answer.sense_length = std::min(sense.size(), answer.sense.size());
                std::copy_n(sense.begin(), answer.sense_length, answer.sense.begin());
                break;
            }
            case 2:
                answer.os_error = input_.byte();
                break;
            default:
                answer.status = input_.byte();
                break;
        }
        // No retries: the fuzzer must not wait for a disk to become ready.
        if (scsi::retry_of(answer) == scsi::Retry::later) answer.os_error = EIO;
        return answer;
    }

  private:
    static std::uint32_t give(const scsi::Command& command, std::span<const std::uint8_t> bytes) {
        if (command.direction != scsi::Direction::in) return command.length;
        std::uint32_t given = 0;
        for (const auto& buffer : command.data) {
            const auto length = std::min(buffer.iov_len, bytes.size());
            if (length != 0) std::memcpy(buffer.iov_base, bytes.data(), length);
            bytes = bytes.subspan(length);
            given += static_cast<std::uint32_t>(length);
        }
        return given;
    }

    Input& input_;
};

/// Records the answers of another port.
class RecordingPort final : public scsi::Port {
  public:
    explicit RecordingPort(scsi::Port& port) noexcept : port_(port) {}

    [[nodiscard]] scsi::Answer run(const scsi::Command& command) noexcept override {
        const auto answer = port_.run(command);
        if (answer.os_error != 0) {
            recorded.insert(recorded.end(), {2, static_cast<std::uint8_t>(answer.os_error)});
        } else if (answer.status == 0x02) {
            const auto sense = answer.sense_bytes();
            recorded.insert(recorded.end(), {1, static_cast<std::uint8_t>(sense.size())});
            recorded.insert(recorded.end(), sense.begin(), sense.end());
        } else if (answer.status != 0) {
            recorded.insert(recorded.end(), {3, answer.status});
        } else {
            const auto length = std::min<std::uint32_t>(command.length - answer.residual, 0xFFFF);
            recorded.insert(recorded.end(), {0, static_cast<std::uint8_t>(length),
                                             static_cast<std::uint8_t>(length >> 8)});
            auto left = length;
            for (const auto& buffer : command.data) {
                const auto* from = static_cast<const std::uint8_t*>(buffer.iov_base);
                const auto part = std::min<std::size_t>(buffer.iov_len, left);
                recorded.insert(recorded.end(), from, from + part);
                left -= static_cast<std::uint32_t>(part);
            }
        }
        return answer;
    }

    std::vector<std::uint8_t> recorded;

  private:
    scsi::Port& port_;
};

}  // namespace zonebridge::fuzz
