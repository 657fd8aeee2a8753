#include "transports/scsi/answer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <thread>

#include <fmt/format.h>
#include <scsi/sg_lib.h>

#include "transports/scsi/status_bytes.h"
#include "zbc/sense.h"

namespace zonebridge::scsi {
namespace {

using namespace sam;

/// Linux's host bytes (include/scsi/scsi_status.h), by number.
constexpr std::array<std::string_view, 21> host_words{
    "",
    "no connection to the disk",
    "the bus stayed busy",
    "the command timed out",
    "no such target",
    "the command was aborted",
    "parity error",
    "internal error of the host adapter",
    "the bus or the disk was reset",
    "unexpected interrupt",
    "the low-level driver let it pass",
    "soft error",
    "the command must be tried again at once",
    "the command must be queued again",
    "the path to the disk was disturbed",
    "the path to the disk failed fast",
    "the target failed",
    "the path is reserved by another host",
    "allocation failed",
    "medium error",
    "the path to the disk is marginal",
};
Status os_status(StatusCode code, int error) noexcept {
    return {code, NativeCause::os_error(error)};
}

Status host_status(std::uint16_t host) noexcept {
    switch (host) {
        case host_byte::no_connect:
        case host_byte::bad_target:
            return os_status(StatusCode::device_gone, ENODEV);
        case host_byte::time_out:
            return os_status(StatusCode::io_error, ETIMEDOUT);
        case host_byte::alloc_failure:
            return os_status(StatusCode::no_space, ENOSPC);
        case host_byte::medium_error:
            return os_status(StatusCode::media_error, ENODATA);
        default:
            return os_status(StatusCode::io_error, EIO);
    }
}

bool is_becoming_ready(const zbc::Sense& sense) noexcept {
    // Only becoming ready: self-test in progress (04h/09h) and sanitizing (04h/1Bh) are not waited
    // for.
    return sense.key == zbc::SenseKey::not_ready && sense.asc == 0x04 && sense.ascq == 0x01;
}

std::string_view status_words(std::uint8_t status) noexcept {
    switch (status) {
        case busy:
            return "the disk is busy";
        case reservation_conflict:
            return "the disk is reserved by another host";
        case task_set_full:
            return "the disk's queue is full";
        case aca_active:
            return "the disk waits for an auto contingent allegiance to be cleared";
        case task_aborted:
            return "the command was aborted by another host";
        default:
            return "the disk answered with a status of its own";
    }
}

std::string sense_words(const Answer& answer) {
    const auto sense = sense_of(answer);
    if (!sense) return "the disk reported an error, but not which one";
    std::array<char, 128> code{};
    sg_get_asc_ascq_str(sense->asc, sense->ascq, static_cast<int>(code.size()), code.data());
    std::array<char, 64> key{};
    sg_get_sense_key_str(static_cast<int>(sense->key), static_cast<int>(key.size()), key.data());
    std::string_view words(code.data());
    // libsgutils2 puts "Additional sense: " before the text it knows.
    constexpr std::string_view lead = "Additional sense: ";
    if (words.starts_with(lead)) words.remove_prefix(lead.size());
    return fmt::format("{}, {} (sense {:X}/{:02X}/{:02X})", key.data(), words,
                       static_cast<unsigned>(sense->key), sense->asc, sense->ascq);
}

}  // namespace

std::optional<zbc::Sense> sense_of(const Answer& answer) noexcept {
    if (answer.os_error != 0 || answer.status != check_condition) return std::nullopt;
    return zbc::decode_sense(answer.sense_bytes());
}

Status judge(const Answer& answer, Operation operation, std::uint32_t length) noexcept {
    if (answer.os_error != 0) return os_status(status_of_errno(answer.os_error), answer.os_error);
    // Sense data says more than the kernel's own byte.
    if (answer.status == check_condition) {
        const auto sense = sense_of(answer);
        if (!sense) return os_status(StatusCode::io_error, EIO);
        const auto code = zbc::status_of(*sense, operation);
        if (code != StatusCode::ok) return {code, {NativeCause::Source::scsi_sense, sense->code()}};
    } else if (answer.host != 0) {
        return host_status(answer.host);
    } else if (answer.status != good && answer.status != condition_met) {
        return os_status(StatusCode::io_error,
                         answer.status == busy || answer.status == task_set_full ? EBUSY : EIO);
    }
    if (length != 0 && answer.residual != 0) return os_status(StatusCode::io_error, EIO);
    return {};
}

std::string describe(const Answer& answer) {
    if (answer.os_error != 0) return to_string(NativeCause::os_error(answer.os_error));
    if (answer.status == check_condition) return sense_words(answer);
    if (answer.host != 0) {
        const auto words =
            answer.host < host_words.size() ? host_words[answer.host] : std::string_view();
        return fmt::format("the kernel says: {} (host byte {:02X}h)",
                           words.empty() ? "the command failed on its way to the disk" : words,
                           answer.host);
    }
    if (answer.status != good && answer.status != condition_met)
        return fmt::format("{} (status {:02X}h)", status_words(answer.status), answer.status);
    if (answer.residual != 0) return fmt::format("{} bytes were not transferred", answer.residual);
    return "no error";
}

Retry retry_of(const Answer& answer) noexcept {
    // A command that the kernel aborted may still be running in the disk.
    if (answer.os_error != 0) return Retry::no;
    if (answer.status == busy || answer.status == task_set_full) return Retry::later;
    if (const auto sense = sense_of(answer)) {
        if (sense->key == zbc::SenseKey::unit_attention) return Retry::now;
        return is_becoming_ready(*sense) ? Retry::later : Retry::no;
    }
    switch (answer.host) {
        case host_byte::bus_busy:
        case host_byte::reset:
        case host_byte::soft_error:
        case host_byte::imm_retry:
        case host_byte::requeue:
        case host_byte::transport_disrupted:
            return Retry::later;
        default:
            return Retry::no;
    }
}

bool Patience::wait(Retry retry) noexcept {
    switch (retry) {
        case Retry::no:
            return false;
        case Retry::now:
            return attentions_-- > 0;
        case Retry::later:
            break;
    }
    if (left_.count() <= 0) return false;
    const auto pause = std::min(pause_, left_);
    std::this_thread::sleep_for(pause);
    left_ -= pause;
    pause_ = std::min(pause_ * 2, std::chrono::milliseconds(250));
    return true;
}

Answer send(Port& port, const Command& command, Patience patience) noexcept {
    for (;;) {
        auto answer = port.run(command);
        if (!patience.wait(retry_of(answer))) return answer;
    }
}

}  // namespace zonebridge::scsi
