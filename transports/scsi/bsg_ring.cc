#include "transports/scsi/bsg_ring.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "zbc/cdb.h"

namespace zonebridge::scsi {
namespace {

/// linux/bsg.h's struct bsg_uring_cmd, which older headers lack.
struct UringCommand {
    std::uint64_t request;
    std::uint32_t request_length;
    std::uint32_t protocol;     // 0: SCSI
    std::uint32_t subprotocol;  // 0: SCSI command
    std::uint32_t max_response_length;
    std::uint64_t response;
    std::uint64_t out_address;
    std::uint32_t out_length;
    std::uint32_t out_buffers;  // 0: flat
    std::uint64_t in_address;
    std::uint32_t in_length;
    std::uint32_t in_buffers;
    std::uint32_t timeout_ms;
    std::uint8_t reserved[12];
};
static_assert(sizeof(UringCommand) == 80, "the command area of a 128-byte entry");

constexpr std::uint32_t longest_cdb = 32;  // early kernels overflow on longer ones
constexpr std::uint8_t driver_sense = 0x08;

struct Probe final : Ring::Completer {
    std::optional<Result> result;
    void complete(const Result& end) noexcept override { result = end; }
};

}  // namespace

bool start_bsg_command(Ring& ring, int bsg_fd, Ring::Completer& operation, const Call& call,
                       std::span<const iovec> data, std::span<std::uint8_t> sense) noexcept {
    auto* const entry = ring.prepare(operation);
    if (entry == nullptr) return false;
    UringCommand command{};
    command.request = reinterpret_cast<std::uintptr_t>(call.bytes.data());
    command.request_length = std::min<std::uint32_t>(call.length, longest_cdb);
    command.response = reinterpret_cast<std::uintptr_t>(sense.data());
    command.max_response_length = static_cast<std::uint32_t>(sense.size());
    command.timeout_ms = call.timeout_ms;
    if (!data.empty()) {
        const auto address = reinterpret_cast<std::uintptr_t>(data.front().iov_base);
        const auto length = static_cast<std::uint32_t>(data.front().iov_len);
        if (call.direction == Direction::in) {
            command.in_address = address;
            command.in_length = length;
        } else if (call.direction == Direction::out) {
            command.out_address = address;
            command.out_length = length;
        }
    }
    const auto user = entry->user_data;
    io_uring_prep_rw(IORING_OP_URING_CMD, entry, bsg_fd, nullptr, 0, 0);
    entry->user_data = user;
    entry->cmd_op = 0;
    std::memcpy(entry->cmd, &command, sizeof command);
    return true;
}

Answer bsg_answer(const Ring::Completer::Result& result) noexcept {
    Answer answer;
    if (result.value < 0) {
        answer.os_error = -result.value;
        return answer;
    }
    const auto packed = result.extra[0];
    answer.status = static_cast<std::uint8_t>(packed);
    answer.driver = static_cast<std::uint16_t>(packed >> 8 & 0xFF & ~driver_sense);
    answer.host = static_cast<std::uint16_t>(packed >> 16 & 0xFF);
    answer.sense_length = packed >> 24 & 0xFF;
    answer.residual = static_cast<std::uint32_t>(packed >> 32);
    return answer;
}

tl::expected<void, std::string> probe_bsg_ring(int bsg_fd) {
    auto ring = Ring::create(4);
    if (!ring) return tl::unexpected(ring.error().message);
    std::array<std::uint8_t, 64> sense{};
    alignas(4096) std::array<std::uint8_t, 96> inquiry{};
    const iovec data{inquiry.data(), inquiry.size()};
    const auto call =
        Call::of(zbc::encode_inquiry(std::nullopt, inquiry.size()), Direction::in, 10'000);
    Probe probe;
    if (!start_bsg_command(**ring, bsg_fd, probe, call, {&data, 1}, sense))
        return tl::unexpected(std::string("io_uring takes no command"));
    while (!probe.result)
        if (auto turned = (*ring)->turn(Loop::Wait::sleep); !turned)
            return tl::unexpected(turned.error().message);
    const auto answer = bsg_answer(*probe.result);
    if (answer.os_error == EOPNOTSUPP || answer.os_error == ENOTTY || answer.os_error == EINVAL)
        return tl::unexpected(
            std::string("this kernel has no SCSI commands in io_uring (Linux 7.2 "
                        "is the first that does)"));
    if (answer.os_error != 0)
        return tl::unexpected(fmt::format("a command on the bsg node failed: {}",
                                          to_string(NativeCause::os_error(answer.os_error))));
    return {};
}

}  // namespace zonebridge::scsi
