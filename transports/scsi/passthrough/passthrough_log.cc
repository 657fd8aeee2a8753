#include "transports/scsi/passthrough/passthrough_log.h"

#include <algorithm>
#include <cerrno>
#include <string_view>

#include <fmt/format.h>

#include "transports/scsi/answer.h"
#include "zbc/commands.h"

namespace zonebridge::scsi {
namespace {

using Name = std::array<char, 80>;

std::string_view name_of(std::span<const std::uint8_t> cdb, Name& room) noexcept {
    return {room.data(), std::min(zbc::describe_cdb(ByteView(cdb), room), room.size())};
}

}  // namespace

void PassthroughLog::refused(std::span<const std::uint8_t> cdb, const zbc::NotSent& refusal,
                             RateLimit::Clock::time_point now) noexcept {
    if (write_ == nullptr || refusal.why != zbc::Refused::not_allowed || cdb.empty()) return;
    const auto opcode = cdb[0];
    const auto action = zbc::action_of(ByteView(cdb));
    const auto bit = 1u << action % 32;
    if ((told_[opcode].fetch_or(bit, std::memory_order_relaxed) & bit) != 0) return;
    const auto left_out = limit_.pass(now);
    if (!left_out) {  // then it is logged when the guest sends it again
        told_[opcode].fetch_and(~bit, std::memory_order_relaxed);
        return;
    }
    Name room;
    std::array<char, 32> number{};
    const auto* const known = zbc::find_command(opcode, action);
    auto allow = known != nullptr ? known->allow_name : std::string_view();
    if (allow.empty()) {
        const auto end = zbc::has_action(opcode)
                             ? fmt::format_to_n(number.data(), number.size(), "0x{:02X}/0x{:02X}",
                                                opcode, action)
                             : fmt::format_to_n(number.data(), number.size(), "0x{:02X}", opcode);
        allow = {number.data(), std::min(end.size, number.size())};
    }
    std::array<char, 256> line;
    const auto end =
        fmt::format_to_n(line.data(), line.size(),
                         "refused {} from the guest; to allow it, serve the disk with --allow {}",
                         name_of(cdb, room), allow);
    say({line.data(), std::min(end.size, line.size())}, *left_out);
}

void PassthroughLog::failed(std::span<const std::uint8_t> cdb, const Answer& answer) noexcept {
    if (write_ == nullptr) return;
    const auto left_out = limit_.pass();
    if (!left_out) return;
    Name room;
    const auto name = name_of(cdb, room);
    const auto denied = answer.os_error == EPERM || answer.os_error == EACCES;
    try {
        const auto line = denied ? fmt::format(
                                       "this system's kernel does not let this program send {}; "
                                       "passing commands through needs root (CAP_SYS_RAWIO) and, "
                                       "for changes, the right to write the device",
                                       name)
                                 : fmt::format("{} failed: {}", name, describe(answer));
        say(line, *left_out);
    } catch (...) {  // no memory for the message
    }
}

void PassthroughLog::say(std::string_view text, std::uint64_t left_out) noexcept {
    std::array<char, 512> line;
    auto end = fmt::format_to_n(line.data(), line.size(), "{}: {}", path_, text);
    auto size = std::min(end.size, line.size());
    if (left_out != 0) {
        end = fmt::format_to_n(line.data() + size, line.size() - size, " ({} more were not logged)",
                               left_out);
        size += std::min(end.size, line.size() - size);
    }
    write_({line.data(), size});
}

}  // namespace zonebridge::scsi
