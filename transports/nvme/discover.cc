#include "transports/nvme/discover.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "zns/report.h"
#include "zone/survey.h"

namespace zonebridge::nvme {
namespace {

// Identify structures (CNS).
constexpr std::uint8_t cns_namespace = 0x00;
constexpr std::uint8_t cns_controller = 0x01;
constexpr std::uint8_t cns_descriptors = 0x03;
constexpr std::uint8_t cns_namespace_of_set = 0x05;
constexpr std::uint8_t cns_controller_of_set = 0x06;
constexpr auto zoned_set = static_cast<std::uint8_t>(zns::CommandSet::zoned);

/// A report of this length holds a thousand zones.
constexpr std::uint64_t report_step = std::uint64_t{64} << 10;

class Asking {
  public:
    Asking(Port& port, const std::string& path, const zns::HostBounds& host)
        : port_(port), path_(path), host_(host), data_(zns::identify_size) {}

    tl::expected<Discovery, Error> ask() {
        Discovery found;
        if (auto asked = identify(cns_controller, 0, "what it is"); !asked)
            return tl::unexpected(std::move(asked.error()));
        found.controller = zns::decode_controller(data_);

        const auto set = command_set();
        if (set && *set != static_cast<std::uint8_t>(zns::CommandSet::nvm) && *set != zoned_set)
            return refuse(fmt::format(
                "is a {} namespace, which stores no blocks; Zonebridge takes "
                "namespaces of the NVM and Zoned command sets",
                *set == 1 ? std::string("Key Value") : fmt::format("command set {}", *set)));

        if (auto asked = identify(cns_namespace, 0, "what its namespace is"); !asked)
            return tl::unexpected(std::move(asked.error()));
        auto space = zns::decode_namespace(data_);
        if (!space) return refuse(std::move(space.error()));
        found.space = *space;

        auto zoned = ask_for_zones(set, found.space);
        if (!zoned) return tl::unexpected(std::move(zoned.error()));
        std::uint8_t zasl = 0;
        if (*zoned) {
            if (auto asked =
                    identify(cns_controller_of_set, zoned_set, "how long an append may be");
                !asked)
                return tl::unexpected(std::move(asked.error()));
            zasl = zns::decode_zasl(data_);
        }
        found.limits = zns::limits_of(found.controller, found.space, *zoned, zasl, host_);
        found.limits.read_only = found.space.write_protected;

        auto layout = lay_out(found, *zoned);
        if (!layout) return tl::unexpected(std::move(layout.error()));
        found.limits.layout = std::move(*layout);
        return found;
    }

  private:
    tl::unexpected<Error> refuse(std::string what) const {
        return tl::unexpected(
            Error{StatusCode::unsupported, fmt::format("{}: {}", path_, what), {}});
    }

    tl::unexpected<Error> failed(std::int32_t value, std::string_view what) const {
        const auto status = status_of({value, 0}, Operation::report);
        return tl::unexpected(
            Error{value == -no_path ? StatusCode::device_gone : status.code,
                  fmt::format("{}: can't ask the device {}: {}", path_, what, words_of(value)),
                  status.cause});
    }

    tl::expected<void, Error> identify(std::uint8_t cns, std::uint8_t set, std::string_view what) {
        const auto answer = try_identify(cns, set);
        if (answer.value == 0) return {};
        return failed(answer.value, what);
    }

    Answer try_identify(std::uint8_t cns, std::uint8_t set) {
        std::fill(data_.begin(), data_.end(), std::uint8_t{0});
        return port_.identify(cns, set, data_);
    }

    /// Absent if the controller is too old to report it, or the process may not ask.
    std::optional<std::uint8_t> command_set() {
        if (try_identify(cns_descriptors, 0).value != 0) return std::nullopt;
        return zns::decode_command_set(data_);
    }

    tl::expected<std::optional<zns::ZonedNamespace>, Error> ask_for_zones(
        std::optional<std::uint8_t> set, const zns::Namespace& space) {
        if (set && *set != zoned_set) return std::nullopt;
        const auto answer = try_identify(cns_namespace_of_set, zoned_set);
        // A namespace that neither says that it is zoned nor returns zone data has no zones.
        if (!set && answer.value > 0) return std::nullopt;
        if (answer.value != 0) return failed(answer.value, "what its zones are like");
        auto zoned = zns::decode_zoned_namespace(data_, space.format);
        if (zoned) return std::optional(*zoned);
        if (!set && std::all_of(data_.begin(), data_.end(), [](auto byte) { return byte == 0; }))
            return std::nullopt;
        return refuse(std::move(zoned.error()));
    }

    tl::expected<Layout, Error> lay_out(const Discovery& found,
                                        const std::optional<zns::ZonedNamespace>& zoned) {
        const auto block = found.space.block_size;
        const auto size = found.space.blocks * block;
        if (!zoned) return Layout(size, 0, 0, 0, ZoneType::sequential_write_required);
        if (zoned->zone_blocks > found.space.blocks)
            return refuse(
                fmt::format("the namespace says that a zone has {} blocks, and the whole "
                            "namespace {}",
                            zoned->zone_blocks, found.space.blocks));
        const zns::ReportUnits units{block, zoned->zone_blocks * block, size};
        if (auto fault = Layout::find_fault(size, units.zone_size, units.zone_size, 0))
            return refuse(fmt::format("the namespace's zones can't be used: {}", *fault));
        return survey(units, found.limits.max_transfer);
    }

    tl::expected<Layout, Error> survey(const zns::ReportUnits& units, std::uint64_t most) {
        Survey survey(units.size, units.zone_size);
        const auto step = std::max<std::uint64_t>(std::min(report_step, most) / 4 * 4,
                                                  zns::report_header_size + zns::descriptor_size);
        data_.resize(step);
        std::vector<Zone> zones;
        while (!survey.complete()) {
            std::fill(data_.begin(), data_.end(), std::uint8_t{0});
            const auto command = zns::report(port_.nsid(), survey.position() / units.block_size,
                                             static_cast<std::uint32_t>(data_.size()));
            if (const auto answer = port_.send(command, data_); answer.value != 0)
                return failed(answer.value, "for its zones");
            const zns::Report report(data_);
            if (report.count() == 0)
                return refuse(
                    fmt::format("the device reports no zone from byte {} on, but says "
                                "that it has {} bytes",
                                survey.position(), units.size));
            zones.clear();
            for (std::size_t i = 0; i < report.count(); ++i) {
                auto zone = report.zone(i, units);
                if (!zone)
                    return refuse(
                        fmt::format("the device's zone report is invalid: entry {} of the report "
                                    "from byte {} on: {}",
                                    i, survey.position(), zone.error()));
                zones.push_back(*zone);
            }
            if (auto fault = survey.add(zones))
                return refuse("the device's zone report is invalid: " + *fault);
        }
        auto layout = survey.finish();
        if (!layout) return refuse("the device's zone report is invalid: " + layout.error());
        return std::move(*layout);
    }

    Port& port_;
    const std::string& path_;
    const zns::HostBounds& host_;
    std::vector<std::uint8_t> data_;
};

}  // namespace

tl::expected<Discovery, Error> discover(Port& port, const std::string& path,
                                        const zns::HostBounds& host) {
    return Asking(port, path, host).ask();
}

}  // namespace zonebridge::nvme
