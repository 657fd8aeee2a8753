#include "virtio-scsi/recovery.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/iovec.h"
#include "zbc/commands.h"
#include "zbc/report_decode.h"
#include "zone/lost.h"

namespace zonebridge::virtio_scsi {
namespace {

// Enough for every transport.
constexpr std::size_t readback_alignment = 4096;

// A disk may report one attention after another, but not for ever.
constexpr unsigned most_attentions = 16;

std::optional<zbc::Sense> sense_of(const zbc::TaskResult& result) noexcept {
    if (result.delivery != zbc::Delivery::done || result.status != zbc::ScsiStatus::check_condition)
        return std::nullopt;
    return zbc::decode_sense(std::span(result.sense).first(result.sense_length));
}

bool has_key(const zbc::TaskResult& result, zbc::SenseKey key) noexcept {
    const auto sense = sense_of(result);
    return sense && sense->key == key;
}

bool is_good(const zbc::TaskResult& result) noexcept {
    return result.delivery == zbc::Delivery::done && result.status == zbc::ScsiStatus::good;
}

/// The command writes its data to the blocks in its CDB, and does nothing else.
bool is_plain_write(const zbc::CommandInfo& info) noexcept {
    return info.touch == zbc::ZoneTouch::writes && info.direction == zbc::Direction::out &&
           (info.rule == zbc::LengthRule::blocks || info.rule == zbc::LengthRule::blocks_256);
}

}  // namespace

Recovery::Next Recovery::begin(const zbc::Task& command) noexcept {
    command_ = command;
    met_attention_ = false;
    attentions_ = 0;
    const ByteView cdb(command.cdb);
    const auto* const info = zbc::find_command(command.cdb[0], zbc::action_of(cdb));
    if (info == nullptr) return end(Next::reset);
    if (!info->changes) return send_command(Step::repeating);
    // A zone that is as an action leaves it stays so.
    if (info->touch == zbc::ZoneTouch::acts && info->operation) return send_command(Step::changing);
    if (!is_plain_write(*info)) return end(Next::reset);
    const auto range = zbc::decode_block_range(*info, cdb);
    lba_ = range.lba;
    blocks_ = range.blocks;
    if (blocks_ == 0) return send_command(Step::repeating);
    const iovec report{report_.data(), report_.size()};
    piece_ = report;
    return send_own(
        Step::asking_zone,
        zbc::encode_report_zones({lba_, static_cast<std::uint32_t>(report_.size()), true, 0}));
}

Recovery::Next Recovery::take(const zbc::TaskResult& result) noexcept {
    // The unit's attention was meant for the driver's next command.
    if (has_key(result, zbc::SenseKey::unit_attention) && attentions_++ < most_attentions) {
        met_attention_ = true;
        return Next::send;
    }
    switch (step_) {
        case Step::repeating:
            result_ = result;
            return end(Next::answer);
        case Step::changing:
            result_ = result;
            if (!is_good(result)) return end(Next::answer);
            // Whether the driver had switched the cache off died with the server.
            return send_own(Step::syncing, zbc::encode_synchronize_cache_16());
        case Step::asking_zone:
            return judge_by_zone(result);
        case Step::reading_back:
            if (!same_data(result)) return end(Next::reset);
            result_ = zbc::TaskResult();
            result_.data_out_length = piece_.iov_len;
            return send_own(Step::syncing, zbc::encode_synchronize_cache_16());
        case Step::syncing:
            // A disk without a cache may not have the command.
            if (!is_good(result) && !has_key(result, zbc::SenseKey::illegal_request))
                result_ = result;
            return end(Next::answer);
        case Step::ended:
            break;
    }
    return end(Next::reset);
}

Recovery::Next Recovery::judge_by_zone(const zbc::TaskResult& result) noexcept {
    // Not a zoned disk, or not a block of it.
    if (has_key(result, zbc::SenseKey::illegal_request)) return send_command(Step::changing);
    if (!is_good(result)) return end(Next::reset);
    const auto reply = std::span(std::as_const(report_))
                           .first(static_cast<std::size_t>(
                               std::min<std::uint64_t>(result.data_in_length, report_.size())));
    const auto raw = zbc::decode_zone_descriptor(reply, 0);
    const auto zone = raw ? zbc::read_zone(*raw, 1) : tl::unexpected(std::string());
    if (!zone || lba_ < zone->start || lba_ - zone->start >= zone->length) return end(Next::reset);
    // Elsewhere the command leaves the same bytes in the same place. One that leaves its zone is
    // refused.
    if (zone->type != zbc::ReportedType::sequential_write_required ||
        blocks_ > zone->length - (lba_ - zone->start))
        return send_command(Step::changing);
    switch (shown_of_write({zone->start, zone->length, zone->length, zone->write_pointer,
                            ZoneType::sequential_write_required, zone->state},
                           lba_, blocks_)) {
        case Shown::not_done:
            return send_command(Step::changing);
        case Shown::perhaps:
            return read_back();
        case Shown::unknown:
            break;
    }
    return end(Next::reset);
}

Recovery::Next Recovery::read_back() noexcept {
    const auto length = total_length(command_.data_out);
    if (length == 0 || length % blocks_ != 0) return end(Next::reset);
    const auto size = static_cast<std::size_t>(length);
    const auto rounded = (size + readback_alignment - 1) & ~(readback_alignment - 1);
    bytes_.reset(static_cast<std::uint8_t*>(std::aligned_alloc(readback_alignment, rounded)));
    if (!bytes_) return end(Next::reset);
    piece_ = {bytes_.get(), size};
    return send_own(Step::reading_back, zbc::encode_read_16(lba_, blocks_));
}

bool Recovery::same_data(const zbc::TaskResult& result) const noexcept {
    return is_good(result) && result.data_in_length == piece_.iov_len &&
           !IovecCursor(command_.data_out).compare({bytes_.get(), piece_.iov_len});
}

Recovery::Next Recovery::send_command(Step step) noexcept {
    step_ = step;
    task_ = command_;
    return Next::send;
}

Recovery::Next Recovery::send_own(Step step, const zbc::Cdb& cdb) noexcept {
    step_ = step;
    cdb_ = cdb;
    task_ = zbc::Task();
    task_.tag = command_.tag;
    task_.cdb = cdb_;
    if (step != Step::syncing) task_.data_in = std::span(&piece_, 1);
    return Next::send;
}

Recovery::Next Recovery::end(Next how) noexcept {
    step_ = Step::ended;
    bytes_.reset();
    return how;
}

}  // namespace zonebridge::virtio_scsi
