// A disk's answers as bytes, so that a fuzzer can change them: what one port got can be kept, and
// given again by another.
//
// Threads: one at a time.
// Ownership: ports borrow what they stand on.
//
// An answer is a byte that says how the command ended, then: 0 good, two bytes of length and the
// data that came; 1 CHECK CONDITION, a byte of length and the sense data; 2 a byte, the error of the
// operating system; 3 a byte, the SCSI status. Any other byte is taken modulo 4.
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

/// Answers from the input, until it ends: then the disk is gone.
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
        // Nobody waits for a fuzzer's disk to become ready.
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

/// Keeps what another port answers.
class RecordingPort final : public scsi::Port {
  public:
    explicit RecordingPort(scsi::Port& port) noexcept : port_(port) {}

    [[nodiscard]] scsi::Answer run(const scsi::Command& command) noexcept override {
        const auto answer = port_.run(command);
        if (answer.os_error != 0) {
            kept.insert(kept.end(), {2, static_cast<std::uint8_t>(answer.os_error)});
        } else if (answer.status == 0x02) {
            const auto sense = answer.sense_bytes();
            kept.insert(kept.end(), {1, static_cast<std::uint8_t>(sense.size())});
            kept.insert(kept.end(), sense.begin(), sense.end());
        } else if (answer.status != 0) {
            kept.insert(kept.end(), {3, answer.status});
        } else {
            const auto length = std::min<std::uint32_t>(command.length - answer.residual, 0xFFFF);
            kept.insert(kept.end(), {0, static_cast<std::uint8_t>(length),
                                     static_cast<std::uint8_t>(length >> 8)});
            auto left = length;
            for (const auto& buffer : command.data) {
                const auto* from = static_cast<const std::uint8_t*>(buffer.iov_base);
                const auto part = std::min<std::size_t>(buffer.iov_len, left);
                kept.insert(kept.end(), from, from + part);
                left -= static_cast<std::uint32_t>(part);
            }
        }
        return answer;
    }

    std::vector<std::uint8_t> kept;

  private:
    scsi::Port& port_;
};

}  // namespace zonebridge::fuzz
