#include "transports/scsi/reporter.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "transports/scsi/answer.h"
#include "zbc/report_decode.h"

namespace zonebridge::scsi {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t buffer_size = 16 * page;
constexpr std::size_t reply_unit = 512;

/// The length for `zones` zones with their gaps, and for the next zone, which ends the last gap.
std::size_t reply_length(std::size_t zones, std::size_t most) noexcept {
    const auto descriptors = std::min(zones, buffer_size) * 2 + 1;
    const auto bytes = zbc::report_header_length + descriptors * zbc::zone_descriptor_length;
    return std::min((bytes + reply_unit - 1) / reply_unit * reply_unit, most);
}

}  // namespace

Reporter::Reporter(Port& port, const Dialect& dialect, std::uint32_t block_size, std::uint64_t size,
                   std::uint64_t most) noexcept
    : port_(port),
      dialect_(dialect),
      block_size_(block_size),
      size_(size),
      most_(static_cast<std::size_t>(
          std::clamp<std::uint64_t>(most / reply_unit * reply_unit, reply_unit, buffer_size))) {}

tl::expected<std::size_t, Reporter::Failure> Reporter::report(std::uint64_t offset,
                                                              std::span<Zone> zones) {
    alignas(page) std::array<std::uint8_t, buffer_size> buffer;
    const auto lie = [](std::string words) {
        return tl::unexpected(
            Failure{{StatusCode::io_error, NativeCause::os_error(EIO)}, std::move(words)});
    };
    zbc::ZoneFolder folder;
    std::size_t filled = 0;
    auto next = offset;
    while (filled < zones.size() && next < size_) {
        const auto length = reply_length(zones.size() - filled, most_);
        const iovec data{buffer.data(), length};
        const auto call = dialect_.report(next / block_size_, static_cast<std::uint32_t>(length));
        const auto answer = send(port_, {.cdb = call.cdb(),
                                         .direction = call.direction,
                                         .data = {&data, 1},
                                         .length = static_cast<std::uint32_t>(length),
                                         .timeout_ms = call.timeout_ms});
        if (const auto status = dialect_.judge(answer, Operation::report, 0); !status.ok())
            return tl::unexpected(Failure{status, describe(answer)});
        const auto reply =
            std::span(buffer).first(length - std::min<std::size_t>(answer.residual, length));
        const auto header = dialect_.report_header(reply);
        if (!header) return lie("the report is shorter than its own header");
        const auto count = zbc::descriptors_in(*header, reply.size());
        if (count == 0)
            return lie(fmt::format("the report lists no zone at block {}", next / block_size_));

        for (std::size_t i = 0; i < count && filled < zones.size() && next < size_; ++i) {
            const auto raw = dialect_.zone_descriptor(reply, i);
            if (!raw) return lie("the report ends inside a zone's description");
            const auto fault = [&](const std::string& words) {
                return lie(fmt::format("the zone reported at block {}: {}", raw->start, words));
            };
            const auto zone = zbc::read_zone(*raw, block_size_);
            if (!zone) return fault(zone.error());
            // The first zone holds `offset`; each later one begins where the last one ends.
            const auto first = next == offset;
            if (first ? zone->start > offset || offset - zone->start >= zone->length
                      : zone->start != next)
                return fault(first ? "the zone does not contain the requested block"
                                   : "the zone does not begin where the zone before it ends");
            const auto whole = folder.add(*zone);
            if (!whole) return fault(whole.error());
            if (*whole) zones[filled++] = **whole;
            next = zone->start + zone->length;
        }
    }
    if (filled < zones.size())
        if (const auto last = folder.finish()) zones[filled++] = *last;
    return filled;
}

}  // namespace zonebridge::scsi
