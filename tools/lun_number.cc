#include "tools/lun_number.h"

#include <fmt/format.h>

#include "service/lun_table.h"
#include "tools/selection.h"
#include "transports/open.h"

namespace zonebridge::tools {

using service::LunTable;

tl::expected<std::uint16_t, std::string> parse_lun_number(const std::string& text) {
    const auto number = parse_number(text);
    if (!number || *number > LunTable::most_number)
        return tl::unexpected(
            fmt::format("'{}' is not a number from 0 to {}", text, LunTable::most_number));
    return static_cast<std::uint16_t>(*number);
}

tl::expected<std::pair<std::uint16_t, std::string>, std::string> parse_numbered_device(
    const std::string& text) {
    const auto equals = text.find('=');
    const auto number = parse_lun_number(text.substr(0, equals));
    if (equals == std::string::npos || !number)
        return tl::unexpected(fmt::format("'{}' is not N=DEVICE with a number from 0 to {}", text,
                                          LunTable::most_number));
    auto device = text.substr(equals + 1);
    if (const auto name = parse_device_name(device); !name)
        return tl::unexpected(name.error().message);
    return std::pair{*number, std::move(device)};
}

Outcome check_passing(bool translate, const std::vector<std::string>& allow) {
    if (!translate || allow.empty()) return {};
    return tl::unexpected(
        misuse("--allow works only on disks that are passed through, and with --translate no disk "
               "is: give only one of the two"));
}

}  // namespace zonebridge::tools
