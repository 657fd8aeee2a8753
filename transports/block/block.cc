#include "transports/block/block.h"

namespace zonebridge::block {

tl::expected<std::unique_ptr<Transport>, Error> open(const std::string& path,
                                                     const DeviceOptions&) {
    return tl::unexpected(Error{StatusCode::unsupported, path + ": not yet", {}});
}

}  // namespace zonebridge::block
