#include "transports/scsi/scsi.h"

#include <utility>

#include "transports/scsi/disk.h"
#include "transports/scsi/route.h"
#include "transports/scsi/zac_find.h"

namespace zonebridge::scsi {

tl::expected<std::unique_ptr<Transport>, Error> open(const std::string& path,
                                                     const DeviceOptions& options) {
    auto found = find_disk(path, options, find_zac);
    if (!found) return tl::unexpected(std::move(found.error()));
    return std::make_unique<OpenDisk>(std::move(found->disk), std::move(found->route));
}

}  // namespace zonebridge::scsi
