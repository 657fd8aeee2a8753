#include "transports/nvme/port.h"

#include <fmt/format.h>

#include "zns/status.h"

namespace zonebridge::nvme {

Status status_of(const Answer& answer, Operation operation) noexcept {
    if (answer.value == 0) return {};
    if (answer.value > 0)
        return zns::status_of(static_cast<std::uint16_t>(answer.value), operation);
    return {status_of_errno(-answer.value), NativeCause::os_error(-answer.value)};
}

std::string words_of(std::int32_t value) {
    if (value == -EACCES || value == -EPERM)
        return "the kernel does not let this process send the command; this needs root "
               "(CAP_SYS_ADMIN), or Linux 6.2 or later and the right to open the node for writing";
    if (value == -no_path) return std::string(no_path_words);
    if (value < 0) return to_string(NativeCause::os_error(-value));
    const auto status = zns::status_of(static_cast<std::uint16_t>(value), Operation::report);
    const auto words = zns::words_of(static_cast<std::uint16_t>(value));
    if (words.empty()) return to_string(status.cause);
    return fmt::format("{} ({})", words, to_string(status.cause));
}

}  // namespace zonebridge::nvme
