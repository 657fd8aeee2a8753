#include "virtio-blk/report.h"

#include <algorithm>
#include <utility>

#include "virtio-blk/wire.h"

namespace zonebridge::virtio_blk {
namespace {

// Reports filled at the same time; further reports wait. A driver has one or two in flight.
constexpr std::size_t buffer_count = 4;

}  // namespace

bool Report::begin(std::uint64_t tag, std::uint64_t offset, std::span<const iovec> reply,
                   std::uint64_t reply_length) noexcept {
    if (reply_length < report_header_size + zone_descriptor_size) return false;
    tag_ = tag;
    reply_ = reply;
    cursor_ = IovecCursor(reply, report_header_size);
    position_ = offset;
    reported_ = 0;
    room_ = (reply_length - report_header_size) / zone_descriptor_size;
    return true;
}

Request Report::ask() noexcept {
    auto zones = std::span<Zone>(*buffer_);
    zones = zones.first(std::min<std::uint64_t>(zones.size(), room_ - reported_));
    Request request;
    request.tag = tag_;
    request.operation = Operation::report;
    request.offset = position_;
    request.zones = zones;
    return request;
}

bool Report::take(std::uint64_t zones, std::uint64_t disk_size) noexcept {
    const auto piece = std::span(*buffer_).first(std::min<std::uint64_t>(zones, buffer_->size()));
    for (const auto& zone : piece) {
        const auto descriptor = encode(zone);
        cursor_.write(descriptor);
    }
    reported_ += piece.size();
    if (!piece.empty()) position_ = piece.back().start + piece.back().length;
    if (!piece.empty() && reported_ < room_ && position_ < disk_size) return true;
    const auto header = encode_report_header(reported_);
    copy_to(reply_, 0, header);
    return false;
}

Reports::Reports() : buffers_(buffer_count) {
    free_.reserve(buffer_count);
    for (auto& buffer : buffers_) free_.push_back(&buffer);
}

bool Reports::admit(Report& report) noexcept {
    if (!free_.empty()) {
        report.buffer_ = free_.back();
        free_.pop_back();
        return true;
    }
    report.next_waiting_ = nullptr;
    if (last_waiting_ == nullptr)
        first_waiting_ = &report;
    else
        last_waiting_->next_waiting_ = &report;
    last_waiting_ = &report;
    return false;
}

Report* Reports::end(Report& report) noexcept {
    auto* const buffer = std::exchange(report.buffer_, nullptr);
    auto* const next = first_waiting_;
    if (next == nullptr) {
        free_.push_back(buffer);
        return nullptr;
    }
    first_waiting_ = next->next_waiting_;
    if (first_waiting_ == nullptr) last_waiting_ = nullptr;
    next->buffer_ = buffer;
    return next;
}

}  // namespace zonebridge::virtio_blk
