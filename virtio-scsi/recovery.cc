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

// Bytes that are read at once: less than any disk's largest transfer.
constexpr std::uint64_t most_read = 64 << 10;

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
            compared_ += static_cast<std::uint32_t>(piece_.iov_len / block_size_);
            return read_back();
        case Step::writing_rest:
            result_ = result;
            return is_good(result) ? written() : end(Next::answer);
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
            return compare(blocks_);
        case Shown::in_part:
            return compare(static_cast<std::uint32_t>(*zone->write_pointer - lba_));
        case Shown::unknown:
            break;
    }
    return end(Next::reset);
}

Recovery::Next Recovery::compare(std::uint32_t blocks) noexcept {
    const auto length = total_length(command_.data_out);
    if (length == 0 || length % blocks_ != 0) return end(Next::reset);
    block_size_ = length / blocks_;
    compared_ = 0;
    to_compare_ = blocks;
    const auto most = std::min<std::uint64_t>(std::max(most_read, block_size_), length);
    const auto rounded = (most + readback_alignment - 1) & ~(readback_alignment - 1);
    bytes_.reset(static_cast<std::uint8_t*>(std::aligned_alloc(readback_alignment, rounded)));
    return bytes_ ? read_back() : end(Next::reset);
}

Recovery::Next Recovery::read_back() noexcept {
    if (compared_ == to_compare_) return compared_ == blocks_ ? written() : write_rest();
    const auto most = std::max<std::uint64_t>(most_read / block_size_, 1);
    const auto blocks =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(most, to_compare_ - compared_));
    piece_ = {bytes_.get(), static_cast<std::size_t>(blocks * block_size_)};
    return send_own(Step::reading_back, zbc::encode_read_16(lba_ + compared_, blocks));
}

bool Recovery::same_data(const zbc::TaskResult& result) const noexcept {
    return is_good(result) && result.data_in_length == piece_.iov_len &&
           !IovecCursor(command_.data_out, compared_ * block_size_)
                .compare({bytes_.get(), piece_.iov_len});
}

Recovery::Next Recovery::write_rest() noexcept {
    const auto count = command_.data_out.size();
    rest_.reset(static_cast<iovec*>(std::calloc(count, sizeof(iovec))));
    if (!rest_) return end(Next::reset);
    const auto data = skip_front(command_.data_out, compared_ * block_size_, {rest_.get(), count});
    const auto next = send_own(Step::writing_rest,
                               zbc::encode_write_16(lba_ + compared_, blocks_ - compared_, false));
    task_.data_in = {};
    task_.data_out = *data;
    return next;
}

Recovery::Next Recovery::written() noexcept {
    result_ = zbc::TaskResult();
    result_.data_out_length = blocks_ * block_size_;
    return send_own(Step::syncing, zbc::encode_synchronize_cache_16());
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
    rest_.reset();
    return how;
}

}  // namespace zonebridge::virtio_scsi
