// Finds the zones of an ATA disk whose SATL does not translate ZBC, by ATA PASS-THROUGH(16).
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "transports/scsi/answer.h"
#include "transports/scsi/discover.h"
#include "zbc/commands.h"
#include "zbc/inquiry_decode.h"
#include "zbc/zac.h"
#include "zbc/zac_identify.h"

namespace zonebridge::scsi {
namespace {

namespace zac = zbc::zac;

class Asker {
  public:
    Asker(Port& port, const std::string& path) : port_(port), path_(path) {}

    [[nodiscard]] tl::unexpected<Error> refuse(StatusCode code, std::string_view words,
                                               NativeCause cause = {}) const {
        return tl::unexpected(Error{code, fmt::format("{}: {}", path_, words), cause});
    }

    /// Asks for `length` bytes of reply; last() is then the answer.
    [[nodiscard]] std::optional<ByteView> ask(const zbc::Cdb& cdb, std::uint32_t length) {
        buffer_.fill(0);
        const iovec data{buffer_.data(), length};
        last_ = send(port_, {.cdb = cdb,
                             .direction = Direction::in,
                             .data = {&data, 1},
                             .length = length,
                             .timeout_ms = zbc::discovery_limit_ms});
        if (!judge_.judge(last_, Operation::report, 0).ok()) return std::nullopt;
        const auto came = length - std::min(last_.residual, length);
        return ByteView(std::span<const std::uint8_t>(buffer_).first(came));
    }
    [[nodiscard]] const Answer& last() const noexcept { return last_; }
    [[nodiscard]] Status last_status() const noexcept {
        return judge_.judge(last_, Operation::report, 0);
    }

    /// A page of the identify device data log.
    [[nodiscard]] std::optional<ByteView> log(std::uint8_t page, const zac::Identify& disk) {
        return ask(zac::encode_read_identify_log(page, disk.log_dma), zac::page_length);
    }

  private:
    Port& port_;
    const std::string& path_;
    ZacDialect judge_{zac::page_length};
    Answer last_;
    alignas(4096) std::array<std::uint8_t, 1024> buffer_{};
};

/// What is known without passing anything through: whether the disk has zones to drive, and whether
/// asking further is pointless.
struct Hint {
    bool zoned = false;
    bool drive_managed = false;
};

Hint look(Asker& disk) {
    Hint hint;
    constexpr std::uint16_t inquiry_length = 36;
    if (const auto bytes =
            disk.ask(zbc::encode_inquiry(std::nullopt, inquiry_length), inquiry_length))
        if (const auto inquiry = zbc::decode_standard_inquiry(bytes->bytes()))
            hint.zoned = inquiry->type == zbc::StandardInquiry::type_host_managed;
    constexpr auto length = zac::AtaInformation::length;
    if (const auto bytes =
            disk.ask(zbc::encode_inquiry(zbc::zac::ata_information_page, length), length))
        if (const auto page = zac::decode_ata_information(*bytes)) {
            hint.zoned |= page->host_managed || page->zoned == zac::Zoned::host_aware;
            hint.drive_managed = page->zoned == zac::Zoned::device_managed;
        }
    return hint;
}

tl::unexpected<Error> cannot_ask(const Asker& disk) {
    const auto status = disk.last_status();
    if (disk.last().os_error == EPERM || disk.last().os_error == EACCES)
        return disk.refuse(
            status.code,
            "is a zoned ATA disk whose zones can be reached only by ATA pass-through, which needs "
            "the capability CAP_SYS_RAWIO: run as root, or give the program that capability",
            status.cause);
    return disk.refuse(status.code,
                       fmt::format("is a zoned ATA disk, but its host adapter or enclosure neither "
                                   "translates ZBC commands nor passes ATA commands through: {}; "
                                   "attach the disk to a SATA port or another adapter",
                                   describe(disk.last())),
                       status.cause);
}

/// What the disk reports in two ways must be the same.
tl::expected<void, Error> compare(Asker& disk, const zac::Identify& identify,
                                  const ZacDialect& dialect) {
    constexpr std::uint32_t capacity_length = 32;
    if (const auto bytes = disk.ask(zbc::encode_read_capacity_16(capacity_length), capacity_length))
        if (const auto capacity = zbc::decode_read_capacity_16(bytes->bytes());
            capacity && capacity->block_size != identify.logical_sector_size)
            return disk.refuse(
                StatusCode::io_error,
                fmt::format("its sectors have {} bytes by IDENTIFY DEVICE, but {} by READ "
                            "CAPACITY; the disk or its translation is broken",
                            identify.logical_sector_size, capacity->block_size));
    const auto call = dialect.report(0, zac::page_length);
    zbc::Cdb cdb{};
    std::copy_n(call.bytes.begin(), cdb.size(), cdb.begin());
    const auto bytes = disk.ask(cdb, zac::page_length);
    if (!bytes)
        return disk.refuse(disk.last_status().code,
                           fmt::format("its zones can't be read: REPORT ZONES EXT failed: {}",
                                       describe(disk.last())),
                           disk.last_status().cause);
    const auto header = dialect.report_header(bytes->bytes());
    if (!header) return disk.refuse(StatusCode::io_error, "its zone report is cut off");
    if (header->max_lba != identify.sectors - 1)
        return disk.refuse(StatusCode::io_error,
                           fmt::format("its last sector is {} by IDENTIFY DEVICE, but {} by REPORT "
                                       "ZONES EXT; the disk or its translation is broken",
                                       identify.sectors - 1, header->max_lba));
    return {};
}

}  // namespace

tl::expected<std::optional<Zoned>, Error> find_zac(Port& port, const std::string& path) {
    Asker disk(port, path);
    const auto hint = look(disk);
    if (hint.drive_managed && !hint.zoned) return std::nullopt;

    const auto page = disk.ask(zac::encode_identify_device(), zac::page_length);
    if (!page) {
        if (!hint.zoned) return std::nullopt;
        return cannot_ask(disk);
    }
    const auto identify = zac::decode_identify(*page);
    if (!identify) {
        if (!hint.zoned) return std::nullopt;
        return disk.refuse(StatusCode::unsupported,
                           "is a zoned ATA disk that can't be driven: " + identify.error());
    }

    auto kind = identify->zoned;
    std::optional<zac::ZonedInformation> information;
    if (identify->logs) {
        const auto list = disk.log(zac::page_list, *identify);
        // The list is in the buffer that the next page overwrites.
        const auto capabilities = list && zac::lists_page(*list, zac::page_supported_capabilities);
        const auto zones = list && zac::lists_page(*list, zac::page_zoned_device_information);
        if (capabilities)
            if (const auto bytes = disk.log(zac::page_supported_capabilities, *identify))
                kind = zac::decode_zoned(*bytes).value_or(kind);
        if (zones)
            if (const auto bytes = disk.log(zac::page_zoned_device_information, *identify))
                information = zac::decode_zoned_information(*bytes);
    }
    if (kind == zac::Zoned::device_managed) return std::nullopt;
    if (kind != zac::Zoned::host_aware && !information && !hint.zoned) return std::nullopt;

    Zoned zoned;
    auto dialect = std::make_unique<ZacDialect>(identify->logical_sector_size);
    if (auto same = compare(disk, *identify, *dialect); !same) return tl::unexpected(same.error());
    zoned.dialect = std::move(dialect);
    zoned.model = kind == zac::Zoned::host_aware ? Model::host_aware : Model::host_managed;
    zoned.words = "ZAC by ATA PASS-THROUGH(16)";
    if (information) {
        zoned.reads_past_pointer = information->unrestricted_reads;
        zoned.max_open =
            zoned.model == Model::host_aware ? information->optimal_open : information->max_open;
    }
    zoned.fua = identify->fua;
    zoned.max_transfer_blocks = zac::max_count;
    return std::optional(std::move(zoned));
}

}  // namespace zonebridge::scsi
