#include "zns/status.h"

namespace zonebridge::zns {

Status status_of(std::uint16_t status) noexcept {
    const auto type_and_code = static_cast<std::uint32_t>(status & 0x7FF);
    if (type_and_code == 0) return {};
    return {StatusCode::io_error, {NativeCause::Source::nvme_status, type_and_code}};
}

}  // namespace zonebridge::zns
