#include "transports/scsi/passthrough.h"

#include <fmt/format.h>

namespace zonebridge::scsi {

bool is_scsi(const host::Node& node) {
    if (node.kind == host::Node::Kind::sg || node.kind == host::Node::Kind::bsg) return true;
    return node.kind == host::Node::Kind::block && (node.sg || node.bsg);
}

tl::expected<std::unique_ptr<PassedDisk>, Error> open_passthrough(
    const std::string& path, const PassthroughOptions& /*options*/) {
    return tl::unexpected(
        Error{StatusCode::unsupported, fmt::format("{}: can't be passed through yet", path), {}});
}

}  // namespace zonebridge::scsi
