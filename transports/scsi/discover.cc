#include "transports/scsi/discover.h"

#include <algorithm>
#include <array>
#include <bit>
#include <bitset>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <xxhash.h>

#include "transports/scsi/answer.h"
#include "transports/scsi/reporter.h"
#include "zbc/cdb.h"
#include "zbc/commands.h"
#include "zbc/inquiry_decode.h"
#include "zbc/zac_identify.h"
#include "zone/survey.h"

namespace zonebridge::scsi {
namespace {

constexpr std::uint8_t page_supported = 0x00;
constexpr std::uint8_t page_serial = 0x80;
constexpr std::uint8_t page_identification = 0x83;
constexpr std::uint8_t page_limits = 0xB0;
constexpr std::uint8_t page_characteristics = 0xB1;
constexpr std::uint8_t page_zoned = 0xB6;

constexpr std::size_t survey_step = 2048;  // zones
/// No disk gains from more, and copies would cost memory.
constexpr std::uint64_t most_transfer = std::uint64_t{4} << 20;

/// Queries one disk; every error has the path and the query.
class Inquirer {
  public:
    Inquirer(Port& port, const std::string& path) : port_(port), path_(path) {}

    [[nodiscard]] tl::unexpected<Error> refuse(StatusCode code, const std::string& words) const {
        return tl::unexpected(Error{code, fmt::format("{}: {}", path_, words), {}});
    }

    /// The bytes received.
    [[nodiscard]] tl::expected<std::span<const std::uint8_t>, Error> ask(
        const Call& call, std::uint32_t length, std::string_view what,
        Patience patience = Patience()) {
        const iovec data{buffer_.data(), length};
        buffer_.fill(0);
        const auto answer = send(port_,
                                 {.cdb = call.cdb(),
                                  .direction = length == 0 ? Direction::none : Direction::in,
                                  .data = {&data, length == 0 ? std::size_t{0} : std::size_t{1}},
                                  .length = length,
                                  .timeout_ms = call.timeout_ms},
                                 patience);
        if (const auto status = judge(answer, Operation::report, 0); !status.ok())
            return tl::unexpected(
                Error{status.code, fmt::format("{}: {} failed: {}", path_, what, describe(answer)),
                      status.cause});
        return std::span<const std::uint8_t>(buffer_).first(length -
                                                            std::min(answer.residual, length));
    }

    /// A VPD page's body; empty if the disk does not list or return the page.
    [[nodiscard]] std::span<const std::uint8_t> vpd(std::uint8_t page) {
        if (page != page_supported && !pages_.test(page)) return {};
        constexpr std::uint16_t length = 1024;
        const auto bytes =
            ask(Call::of(zbc::encode_inquiry(page, length), Direction::in, zbc::discovery_limit_ms),
                length, "INQUIRY");
        if (!bytes) return {};
        return zbc::vpd_body(*bytes, page).value_or(std::span<const std::uint8_t>());
    }
    void read_page_list() { pages_ = zbc::decode_supported_pages(vpd(page_supported)); }
    [[nodiscard]] bool has(std::uint8_t page) const noexcept { return pages_.test(page); }

    [[nodiscard]] Port& port() const noexcept { return port_; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    Port& port_;
    const std::string& path_;
    std::bitset<256> pages_;
    alignas(4096) std::array<std::uint8_t, 4096> buffer_{};
};

Call simple(std::uint8_t opcode) {
    return Call::of(std::array<std::uint8_t, 6>{opcode}, Direction::none, zbc::discovery_limit_ms);
}

tl::expected<zbc::StandardInquiry, Error> inquire(Inquirer& disk) {
    constexpr std::uint16_t length = 96;
    const auto bytes = disk.ask(
        Call::of(zbc::encode_inquiry(std::nullopt, length), Direction::in, zbc::discovery_limit_ms),
        length, "INQUIRY");
    if (!bytes) return tl::unexpected(bytes.error());
    auto inquiry = zbc::decode_standard_inquiry(*bytes);
    if (!inquiry) return disk.refuse(StatusCode::io_error, "its INQUIRY data are cut off");
    if (inquiry->qualifier != 0)
        return disk.refuse(StatusCode::device_gone, "there is no device behind it");
    if (inquiry->type != zbc::StandardInquiry::type_disk &&
        inquiry->type != zbc::StandardInquiry::type_host_managed)
        return disk.refuse(StatusCode::unsupported,
                           fmt::format("is not a disk: its SCSI device type is {:02X}h ({} {}), "
                                       "and only 00h and 14h (zoned) are disks",
                                       inquiry->type, inquiry->vendor, inquiry->product));
    return std::move(*inquiry);
}

tl::expected<zbc::Capacity, Error> read_capacity(Inquirer& disk) {
    constexpr std::uint32_t length = 32;
    const auto bytes = disk.ask(
        Call::of(zbc::encode_read_capacity_16(length), Direction::in, zbc::discovery_limit_ms),
        length, "READ CAPACITY(16)");
    if (!bytes) return tl::unexpected(bytes.error());
    const auto capacity = zbc::decode_read_capacity_16(*bytes);
    if (!capacity) return disk.refuse(StatusCode::io_error, "its capacity is cut off");
    const auto block = capacity->block_size;
    if (!std::has_single_bit(block) || block < 512 || block > 65536)
        return disk.refuse(
            StatusCode::unsupported,
            fmt::format(
                "its logical blocks have {} bytes; Zonebridge can use 512 to 65536, a power of two",
                block));
    if (capacity->last_lba >= std::numeric_limits<std::uint64_t>::max() / block - 1)
        return disk.refuse(StatusCode::io_error,
                           fmt::format("it reports {} blocks, which is more than a disk can have",
                                       capacity->last_lba));
    return *capacity;
}

zbc::ModeHeader read_mode(Inquirer& disk) {
    // All pages, but only their header is used. Some bridges know only the short form.
    std::array<std::uint8_t, 10> ten{0x5A, 0x08, 0x3F};
    ten[8] = 8;
    if (const auto bytes =
            disk.ask(Call::of(ten, Direction::in, zbc::discovery_limit_ms), 8, "MODE SENSE"))
        if (const auto header = zbc::decode_mode_header_10(*bytes)) return *header;
    const std::array<std::uint8_t, 6> six{0x1A, 0x08, 0x3F, 0, 4, 0};
    if (const auto bytes =
            disk.ask(Call::of(six, Direction::in, zbc::discovery_limit_ms), 4, "MODE SENSE"))
        if (const auto header = zbc::decode_mode_header_6(*bytes)) return *header;
    return {};
}

/// The last LBA according to the zone report's header.
tl::expected<std::uint64_t, Error> report_last_lba(Inquirer& disk, const Dialect& dialect) {
    constexpr std::uint32_t length = 512;
    const auto bytes = disk.ask(dialect.report(0, length), length, "REPORT ZONES");
    if (!bytes) return tl::unexpected(bytes.error());
    const auto header = dialect.report_header(*bytes);
    if (!header) return disk.refuse(StatusCode::io_error, "its zone report is cut off");
    return header->max_lba;
}

tl::expected<std::uint64_t, Error> zoned_size(Inquirer& disk, const Dialect& dialect,
                                              const zbc::Capacity& capacity) {
    const auto last = report_last_lba(disk, dialect);
    if (!last) return tl::unexpected(last.error());
    if (capacity.basis == 1 && *last != capacity.last_lba)
        return disk.refuse(StatusCode::io_error,
                           fmt::format("its last block is {} by READ CAPACITY, but {} by REPORT "
                                       "ZONES; the disk or its translation is broken",
                                       capacity.last_lba, *last));
    if (*last >= std::numeric_limits<std::uint64_t>::max() / capacity.block_size - 1)
        return disk.refuse(
            StatusCode::io_error,
            fmt::format("its zone report has {} blocks, which is more than a disk can have",
                        *last));
    return (*last + 1) * capacity.block_size;
}

tl::expected<Layout, Error> survey(Inquirer& disk, const Dialect& dialect, std::uint32_t block_size,
                                   std::uint64_t size, std::uint64_t max_transfer) {
    Survey found(size);
    std::vector<Zone> zones(survey_step);
    Reporter reporter(disk.port(), dialect, block_size, size, max_transfer);
    const auto broken = [&](const std::string& words) {
        return disk.refuse(StatusCode::io_error,
                           fmt::format("its zone report can't be used: {}", words));
    };
    while (!found.complete()) {
        const auto filled = reporter.report(found.position(), zones);
        if (!filled) {
            auto failure = broken(filled.error().words);
            failure.value().code = filled.error().status.code;
            failure.value().cause = filled.error().status.cause;
            return failure;
        }
        if (*filled == 0) return broken("the report ends before the disk ends");
        if (const auto fault = found.add(std::span(zones).first(*filled))) return broken(*fault);
    }
    auto layout = found.finish();
    if (!layout) return broken(layout.error());
    return std::move(*layout);
}

bool is_ata(const Inquirer& disk, const zbc::StandardInquiry& inquiry) noexcept {
    return inquiry.vendor == "ATA" && disk.has(zbc::zac::ata_information_page);
}

/// Some SATLs identify a host-managed ATA disk but support none of its commands.
bool speaks_zbc(Inquirer& disk, const zbc::StandardInquiry& inquiry) {
    if (!is_ata(disk, inquiry)) return true;
    constexpr std::uint32_t length = 512;
    const auto report = disk.ask(ZbcDialect().report(0, length), length, "REPORT ZONES");
    return report || report.error().code != StatusCode::unsupported;
}

/// How the disk is zoned, if it is; otherwise perhaps a notice that says why it is not.
tl::expected<std::optional<Zoned>, Error> find_zones(Inquirer& disk,
                                                     const zbc::StandardInquiry& inquiry,
                                                     FindZac find_zac, std::string& notice) {
    const auto managed = inquiry.type == zbc::StandardInquiry::type_host_managed;
    const auto field = zbc::decode_zoned_field(disk.vpd(page_characteristics));
    const auto by_zbc = managed ? speaks_zbc(disk, inquiry) : field == zbc::ZonedField::host_aware;
    if (!by_zbc) {
        if (find_zac != nullptr && is_ata(disk, inquiry)) {
            auto zac = find_zac(disk.port(), disk.path());
            if (!zac || *zac) return zac;
        }
        if (managed)
            return disk.refuse(StatusCode::unsupported,
                               "is a host-managed zoned disk that answers neither ZBC nor ZAC "
                               "commands; its host adapter or enclosure hides them");
        if (field == zbc::ZonedField::drive_managed)
            notice = "a drive-managed zoned disk: it hides its zones and is used as a plain one";
        return std::nullopt;
    }
    const auto page = zbc::decode_zoned_characteristics(disk.vpd(page_zoned));
    Zoned zoned;
    zoned.dialect = std::make_unique<ZbcDialect>();
    zoned.model = managed ? Model::host_managed : Model::host_aware;
    zoned.words = "ZBC";
    zoned.reads_past_pointer = page.reads_past_pointer;
    zoned.max_open = managed ? page.max_open : page.optimal_open;
    return std::optional(std::move(zoned));
}

std::uint64_t hash(const void* bytes, std::size_t length) noexcept {
    return XXH3_64bits(bytes, length);
}

std::uint64_t unique_id(Inquirer& disk, const Identity& identity, std::uint64_t size) {
    if (const auto designator = zbc::best_designator(disk.vpd(page_identification)))
        return hash(designator->bytes.data(), designator->bytes.size());
    auto words = fmt::format("{}/{}/{}", identity.vendor, identity.product, identity.serial);
    if (identity.serial.empty()) words = fmt::format("{}/{}", disk.path(), size);
    return hash(words.data(), words.size());
}

std::uint64_t transfer_limit(Inquirer& disk, std::uint64_t host, std::uint32_t block,
                             std::uint32_t physical, std::optional<std::uint32_t> dialect) {
    auto limit = std::min(host == 0 ? most_transfer : host, most_transfer);
    if (const auto blocks = zbc::decode_block_limits(disk.vpd(page_limits)).max_transfer_blocks)
        limit = std::min<std::uint64_t>(limit, std::uint64_t{blocks} * block);
    if (dialect) limit = std::min<std::uint64_t>(limit, std::uint64_t{*dialect} * block);
    return std::max<std::uint64_t>(limit / physical * physical, physical);
}

}  // namespace

tl::expected<DiskFacts, Error> discover(Port& port, const std::string& path,
                                        const DiscoverOptions& options) {
    Inquirer disk(port, path);
    const auto inquiry = inquire(disk);
    if (!inquiry) return tl::unexpected(inquiry.error());
    if (const auto ready =
            disk.ask(simple(0x00), 0, "TEST UNIT READY", Patience(std::chrono::seconds(30)));
        !ready)
        return tl::unexpected(ready.error());
    disk.read_page_list();
    const auto capacity = read_capacity(disk);
    if (!capacity) return tl::unexpected(capacity.error());
    const auto mode = read_mode(disk);

    DiskFacts found;
    found.lists_block_limits = disk.has(page_limits);
    found.peripheral = inquiry->type;  // with the qualifier 0
    auto& identity = found.identity;
    identity.vendor = inquiry->vendor;
    identity.product = inquiry->product;
    identity.revision = inquiry->revision;
    identity.serial = zbc::decode_serial_number(disk.vpd(page_serial));

    auto zoned = find_zones(disk, *inquiry, options.find_zac, identity.notice);
    if (!zoned) return tl::unexpected(zoned.error());

    auto& limits = found.limits;
    limits.logical_block_size = capacity->block_size;
    limits.physical_block_size = capacity->block_size << capacity->physical_exponent;
    if (limits.physical_block_size > most_transfer)
        return disk.refuse(StatusCode::unsupported,
                           fmt::format("its physical blocks have {} bytes, more than can be "
                                       "written at once",
                                       limits.physical_block_size));
    limits.max_segments = std::max(options.max_segments, 1U);
    limits.max_transfer = transfer_limit(disk, options.host_max_transfer, limits.logical_block_size,
                                         limits.physical_block_size,
                                         *zoned ? (*zoned)->max_transfer_blocks : std::nullopt);
    limits.read_only = mode.write_protected;
    limits.fua = mode.dpo_fua ? Support::native : Support::absent;
    limits.native_all = ZoneActions::all();

    if (!*zoned) {
        found.dialect = std::make_unique<ZbcDialect>();
        found.words = "SCSI";
        const auto size = (capacity->last_lba + 1) * capacity->block_size;
        limits.layout = Layout(size, 0, 0, 0, ZoneType::sequential_write_required);
        identity.unique_id = unique_id(disk, identity, size);
        return found;
    }

    auto& zones = **zoned;
    limits.model = zones.model;
    if (zones.fua) limits.fua = *zones.fua ? Support::native : Support::absent;
    limits.reads_past_pointer = limits.reads_across_zones = zones.reads_past_pointer;
    const auto size = zoned_size(disk, *zones.dialect, *capacity);
    if (!size) return tl::unexpected(size.error());
    identity.unique_id = unique_id(disk, identity, *size);
    auto layout =
        survey(disk, *zones.dialect, limits.logical_block_size, *size, limits.max_transfer);
    if (!layout) return tl::unexpected(layout.error());
    limits.layout = std::move(*layout);
    // A limit that can't be reached is no limit.
    const auto sequential = limits.layout.zone_count() - limits.layout.conventional_count();
    if (zones.max_open && *zones.max_open < sequential) limits.max_open = zones.max_open;
    found.dialect = std::move(zones.dialect);
    found.words = std::move(zones.words);
    return found;
}

}  // namespace zonebridge::scsi
