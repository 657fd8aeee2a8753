#include "transports/nvme/status.h"

#include "zns/status.h"

namespace zonebridge::nvme {

Status status_of(const Answer& answer, Operation operation) noexcept {
    if (answer.value == 0) return {};
    if (answer.value > 0)
        return zns::status_of(static_cast<std::uint16_t>(answer.value), operation);
    return {status_of_errno(-answer.value), NativeCause::os_error(-answer.value)};
}

}  // namespace zonebridge::nvme
