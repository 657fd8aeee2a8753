#include "tests/fuzz/capture_seeds.h"

#include <algorithm>
#include <stdexcept>

#include "base/bytes.h"
#include "base/iovec.h"
#include "tests/fuzz/replies.h"
#include "transports/scsi/discover.h"
#include "zbc/commands.h"
#include "zbc/sense.h"
#include "zns/identify.h"
#include "zns/report.h"

namespace zonebridge::fuzz {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint8_t inquiry = 0x12, mode_sense_6 = 0x1A, mode_sense_10 = 0x5A, ata_16 = 0x85,
                       report_zones = 0x95, service_in = 0x9E, maintenance_in = 0xA3;
constexpr std::uint8_t identify = 0x06, zone_receive = 0x7A;  // NVMe

/// Whether two commands ask for the same, whatever their allocation lengths.
bool asks_the_same(std::span<const std::uint8_t> one, std::span<const std::uint8_t> other) {
    if (one[0] != other[0]) return false;
    const auto same = [&](std::size_t at) { return one[at] == other[at]; };
    switch (one[0]) {
        case inquiry:
            return same(1) && same(2);
        case ata_16:
            return same(14) && same(8);
        case report_zones:
            return same(1) && std::equal(one.begin() + 2, one.begin() + 10, other.begin() + 2);
        case service_in:
        case maintenance_in:
            return same(1);
        default:
            return true;
    }
}

/// Gives the answers of a capture to the commands that were sent, and refuses the others.
class CapturedPort final : public scsi::Port {
  public:
    explicit CapturedPort(const Capture& capture) : capture_(capture) {}

    [[nodiscard]] scsi::Answer run(const scsi::Command& command) noexcept override {
        const Exchange* found = nullptr;
        for (const auto& exchange : capture_.exchanges)
            if (asks_the_same(exchange.sent, command.cdb) && (!found || !found->good))
                found = &exchange;
        scsi::Answer answer;
        if (found != nullptr && found->good) {
            const auto length = std::min<std::size_t>(command.length, found->bytes.size());
            copy_to(command.data, 0, std::span(found->bytes).first(length));
            answer.residual = command.length - static_cast<std::uint32_t>(length);
            return answer;
        }
        answer.status = 0x02;
        if (found != nullptr) {
            answer.sense_length = std::min(found->bytes.size(), answer.sense.size());
            std::copy_n(found->bytes.begin(), answer.sense_length, answer.sense.begin());
        } else {
            answer.sense_length = zbc::encode_sense(zbc::illegal_request(0x20, 0x00),
                                                    zbc::SenseFormat::fixed, answer.sense);
        }
        return answer;
    }

  private:
    const Capture& capture_;
};

class Maker {
  public:
    Maker(const Capture& capture, std::vector<TargetSeed>& seeds)
        : capture_(capture), seeds_(seeds) {}

    void make() {
        if (has("nvme") || has("zns"))
            make_nvme();
        else
            make_scsi();
    }

  private:
    [[nodiscard]] bool has(const char* word) const {
        return capture_.name.find(word) != std::string::npos;
    }
    void require(bool holds, const std::string& what) const {
        if (!holds) throw std::runtime_error(capture_.name + ": " + what);
    }
    void add(const char* target, Bytes front, const Bytes& rest) {
        front.insert(front.end(), rest.begin(), rest.end());
        seeds_.push_back(
            {target, {capture_.name + "-" + std::to_string(++count_), std::move(front)}});
    }
    /// The data of the first successful command that begins with these bytes.
    [[nodiscard]] const Bytes& data_of(std::initializer_list<std::uint8_t> begin) const {
        for (const auto& exchange : capture_.exchanges)
            if (exchange.good && exchange.sent.size() >= begin.size() &&
                std::equal(begin.begin(), begin.end(), exchange.sent.begin()))
                return exchange.bytes;
        throw std::runtime_error(capture_.name + " lacks an answer");
    }

    // ---- SCSI

    void make_scsi() {
        discover();
        for (const auto& exchange : capture_.exchanges) {
            if (!exchange.good) {
                require(zbc::decode_sense(exchange.bytes).has_value(),
                        "sense data are not decoded");
                add("scsi_sense", {}, exchange.bytes);
                continue;
            }
            switch (exchange.sent[0]) {
                case inquiry:
                    add("scsi_identify",
                        {exchange.sent[1] == 1 ? exchange.sent[2] : std::uint8_t{0xFF}},
                        exchange.bytes);
                    add_reply(exchange);
                    break;
                case mode_sense_6:
                case mode_sense_10:
                case maintenance_in:
                    add_reply(exchange);
                    [[fallthrough]];
                case service_in:
                case ata_16:
                    add("scsi_identify", {0xFF}, exchange.bytes);
                    break;
                case report_zones:
                    add_report(exchange.bytes);
                    break;
                default:
                    break;
            }
        }
    }

    /// A reply that passthrough edits: facts, the default commands, sufficient buffers, the command.
    void add_reply(const Exchange& exchange) {
        const auto table = zbc::all_commands();
        const auto action = static_cast<std::uint8_t>(exchange.sent[1] & 0x1F);
        const auto found = std::find_if(table.begin(), table.end(), [&](const auto& command) {
            return command.opcode == exchange.sent[0] &&
                   (!command.action || *command.action == action);
        });
        require(found != table.end(), "a command that the table lacks");
        Bytes front{0, 0, 3, static_cast<std::uint8_t>(found - table.begin())};
        front.insert(front.end(), exchange.sent.begin(), exchange.sent.end());
        front.push_back(0);  // the CDB is not changed
        add("passthrough_plan", front, exchange.bytes);
    }

    void add_report(const Bytes& report) {
        const auto& capacity = data_of({service_in, 0x10});
        const auto block = ByteView(capacity).be32(8);
        Bytes front(9);
        front[0] = block == 4096 ? 3 << 1 : 0;
        ByteWriter(front).le64(1, ByteView(capacity).be64(0) + 1);
        add("scsi_report", front, report);
    }

    void discover() {
        CapturedPort port(capture_);
        RecordingPort recorder(port);
        check_disk(recorder);
        Input input(recorder.recorded.data(), recorder.recorded.size());
        ReplyingPort player(input);
        check_disk(player);
        add("scsi_disk", {}, recorder.recorded);
    }
    void check_disk(scsi::Port& port) const {
        const auto disk = scsi::discover(
            port, "/dev/captured",
            {.host_max_transfer = 1 << 20, .max_segments = 16, .find_zac = scsi::find_zac});
        require(disk.has_value(), disk ? "" : disk.error().message);
        // Linux's scsi_debug reports the zones of a host-aware disk, but does not say what it is.
        const auto model = has("managed") || has("gaps") ? Model::host_managed : Model::none;
        const auto& limits = disk->limits;
        require(limits.model == model, "another zone model");
        require(limits.size() == 32 << 20, "another size");
        require(limits.logical_block_size == (has("gaps") ? 4096U : 512U), "another block size");
        if (model == Model::none) return;
        require(limits.layout.zone_count() == 8 && limits.layout.zone_size() == 4 << 20,
                "other zones");
        require(limits.layout.capacity_of(7) == (has("gaps") ? 3U : 4U) << 20, "another capacity");
        if (has("managed")) require(limits.max_open == 3U, "another number of open zones");
    }

    // ---- NVMe

    void make_nvme() {
        const auto& space = data_of({identify, 0, 0});
        const auto& zoned = data_of({identify, 5, 2});
        const auto& special = data_of({identify, 6, 2});
        const auto decoded = zns::decode_namespace(space);
        require(decoded.has_value() && decoded->block_size == 512, "the namespace is not decoded");
        const auto zones = zns::decode_zoned_namespace(zoned, decoded->format);
        require(zones.has_value() && zones->zone_blocks == 4 << 11, "the zones are not decoded");
        const auto zasl = zns::decode_zasl(special);
        require(zasl == 4, "another ZASL");
        Bytes all{zasl};
        for (const auto* part : {&data_of({identify, 1, 0}), &space, &zoned})
            all.insert(all.end(), part->begin(), part->end());
        add("zns_identify", {}, all);

        const zns::ReportUnits units{512, 4 << 20, 32 << 20};
        Bytes front(11);
        ByteWriter(front).le32(1, static_cast<std::uint32_t>(zones->zone_blocks - 1));
        ByteWriter(front).le32(5, std::uint32_t{(32 << 11) - 1});
        for (const auto& exchange : capture_.exchanges) {
            if (exchange.sent[0] != zone_receive) continue;
            add("zns_report", front, exchange.bytes);
            if (exchange.sent[2] != 0)
                continue;  // the extended report, which the project does not use
            const zns::Report report(exchange.bytes);
            require(report.count() == 8, "another number of zones");
            for (std::size_t i = 0; i < report.count(); ++i)
                require(report.zone(i, units).has_value(), "a zone is not decoded");
        }
    }

    const Capture& capture_;
    std::vector<TargetSeed>& seeds_;
    unsigned count_ = 0;
};

}  // namespace

std::vector<TargetSeed> capture_seeds(const std::vector<Capture>& captures) {
    std::vector<TargetSeed> seeds;
    for (const auto& capture : captures) Maker(capture, seeds).make();
    return seeds;
}

}  // namespace zonebridge::fuzz
