#include "transports/nvme/nvme.h"

namespace zonebridge::nvme {

tl::expected<std::unique_ptr<Transport>, Error> open(const std::string& path,
                                                     const DeviceOptions&) {
    return tl::unexpected(Error{StatusCode::unsupported, path + ": not yet", {}});
}

}  // namespace zonebridge::nvme
