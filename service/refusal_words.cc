#include "service/refusal_words.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::service {
namespace {

/// Exact: "8 KiB", "513 bytes".
std::string bytes(std::uint64_t count) {
    constexpr std::array<std::pair<unsigned, std::string_view>, 4> units{
        {{40, "TiB"}, {30, "GiB"}, {20, "MiB"}, {10, "KiB"}}};
    if (count == 1) return "1 byte";
    for (const auto& [shift, name] : units)
        if (count != 0 && count % (std::uint64_t{1} << shift) == 0)
            return fmt::format("{} {}", count >> shift, name);
    return fmt::format("{} bytes", count);
}

/// The facts for one sentence: the disk, and the request's place on it.
class Sentence {
  public:
    Sentence(const Refusal& refusal, const Limits* limits)
        : refusal_(refusal), limits_(limits), operation_(refusal.operation) {
        if (limits_ == nullptr || refusal_.offset >= limits_->size()) return;
        const auto& layout = limits_->layout;
        if (layout.zone_count() == 0) return;
        number_ = layout.zone_of(refusal_.offset);
        start_ = layout.start_of(*number_);
    }

    [[nodiscard]] std::string subject() const;
    /// "zone 4 is full"; empty where the state explains nothing.
    [[nodiscard]] std::string zone() const;
    [[nodiscard]] std::string rule() const;

  private:
    [[nodiscard]] bool writes() const {
        return operation_ == Operation::write || operation_ == Operation::append ||
               clears(operation_);
    }
    /// "64 MiB + 12 KiB": a zone's start and the distance from there, both exact.
    [[nodiscard]] static std::string place(std::uint64_t offset, std::uint64_t start);
    [[nodiscard]] std::string action_subject() const;
    /// The participle for the operation: "written", "reset".
    [[nodiscard]] std::string_view done() const;
    [[nodiscard]] std::string capacity_end() const;

    [[nodiscard]] std::string malformed() const;
    [[nodiscard]] std::string too_large() const;
    [[nodiscard]] std::string unsupported() const;
    [[nodiscard]] std::string not_sequential() const;
    [[nodiscard]] std::string unaligned() const;
    [[nodiscard]] std::string too_many(std::optional<std::uint32_t> Limits::*most,
                                       std::string_view what, std::string_view advice) const;

    const Refusal& refusal_;
    const Limits* limits_;
    Operation operation_;
    std::optional<std::uint32_t> number_;  // of the zone that holds the offset
    std::uint64_t start_ = 0;              // that zone's
};

std::string Sentence::place(std::uint64_t offset, std::uint64_t start) {
    if (start == 0 || offset <= start) return bytes(offset);
    return fmt::format("{} + {}", bytes(start), bytes(offset - start));
}

std::string Sentence::action_subject() const {
    const auto verb = to_string(operation_);
    if (refusal_.scope == Scope::all) return fmt::format("{} of all zones", verb);
    if (!number_ || refusal_.offset != start_)
        return fmt::format("{} at {}", verb, place(refusal_.offset, start_));
    const auto& layout = limits_->layout;
    const auto end = std::min(layout.size() - refusal_.offset, refusal_.length) + refusal_.offset;
    const auto last = end > refusal_.offset ? layout.zone_of(end - 1) : *number_;
    if (last == *number_)
        return fmt::format("{} of zone {} at {}", verb, *number_, place(refusal_.offset, start_));
    return fmt::format("{} of zones {} to {} from {} on", verb, *number_, last,
                       place(refusal_.offset, start_));
}

std::string Sentence::subject() const {
    const auto sized = [this](std::string_view what) {
        return fmt::format("{} of {} at {}", what, bytes(refusal_.length),
                           place(refusal_.offset, start_));
    };
    switch (operation_) {
        case Operation::read:
            return sized("read");
        case Operation::write:
            return sized("write");
        case Operation::append:
            return sized("append");
        case Operation::discard:
            return sized("discard");
        case Operation::write_zeroes:
            return sized("write of zeroes");
        case Operation::flush:
            return "flush";
        case Operation::report:
            return fmt::format("report from {} on", place(refusal_.offset, start_));
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
            return action_subject();
    }
    return "request";
}

std::string Sentence::zone() const {
    if (!refusal_.zone) return {};
    const auto& zone = *refusal_.zone;
    auto name = std::string("the zone");
    if (limits_ != nullptr && limits_->layout.zone_count() != 0 && zone.start < limits_->size())
        name = fmt::format("zone {}", limits_->layout.zone_of(zone.start));
    if (zone.state == ZoneState::not_write_pointer) return name + " is conventional";
    if (!zone.write_pointer) return fmt::format("{} is {}", name, to_string(zone.state));
    return fmt::format("{} is {} with its write pointer at {}", name, to_string(zone.state),
                       place(*zone.write_pointer, zone.start));
}

std::string_view Sentence::done() const {
    switch (operation_) {
        case Operation::read:
            return "read";
        case Operation::write:
        case Operation::append:
        case Operation::write_zeroes:
            return "written";
        case Operation::discard:
            return "discarded";
        case Operation::flush:
            return "flushed";
        case Operation::open:
            return "opened";
        case Operation::close:
            return "closed";
        case Operation::finish:
            return "finished";
        case Operation::reset:
            return "reset";
        case Operation::report:
            return "reported";
    }
    return "done";
}

std::string Sentence::capacity_end() const {
    if (!number_) return "its capacity";
    return fmt::format("its capacity, which ends at {}",
                       place(start_ + limits_->layout.capacity_of(*number_), start_));
}

std::string Sentence::malformed() const {
    if (is_zone_action(operation_))
        return refusal_.scope == Scope::all ? "an action on all zones must not name a range"
                                            : "a range of zones must end where a zone ends, and an "
                                              "action must not carry data";
    switch (operation_) {
        case Operation::read:
            return "the request has no length, its buffers do not add up to its length, or it has "
                   "a flag that only writes can have";
        case Operation::write:
        case Operation::append:
            return "the request has no length, its buffers do not add up to its length, or it has "
                   "a flag that only writes of zeroes can have";
        case Operation::discard:
        case Operation::write_zeroes:
            return "the request has no length, or it carries data, which is not allowed";
        case Operation::flush:
        case Operation::report:
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
            break;
    }
    return "the request has a length, carries data or names all zones, which is not allowed";
}

std::string Sentence::too_large() const {
    if (limits_ == nullptr) return "the request is larger than the disk's limits allow";
    switch (operation_) {
        case Operation::discard:
        case Operation::write_zeroes:
            return fmt::format("one such request may cover {} at most",
                               bytes((operation_ == Operation::discard ? limits_->max_discard
                                                                       : limits_->max_write_zeroes)
                                         .value_or(0)));
        case Operation::read:
        case Operation::write:
        case Operation::append:
        case Operation::flush:
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
        case Operation::report:
            break;
    }
    if (operation_ != Operation::append && limits_->any_length)
        return fmt::format("one {} may carry {} at most, and has at most 1,024 buffers",
                           to_string(operation_), bytes(limits_->longest_request()));
    return fmt::format(
        "one {} may carry {} at most, in no more than {} pieces", to_string(operation_),
        bytes(operation_ == Operation::append ? limits_->max_append : limits_->max_transfer),
        limits_->max_segments);
}

std::string Sentence::unsupported() const {
    const auto zoned = limits_ == nullptr || limits_->layout.zone_count() != 0;
    switch (operation_) {
        case Operation::append:
            return zoned ? "the disk has no zone append, or can't make an append durable by itself "
                           "(FUA)"
                         : "the disk has no zones to append to";
        case Operation::write:
            return "the disk can't make a write durable by itself (FUA), or takes no such write";
        case Operation::discard:
        case Operation::write_zeroes:
            if (zoned)
                return fmt::format(
                    "the disk has no such operation, or the range touches a sequential write "
                    "required zone, which must be reset instead of being {}",
                    operation_ == Operation::discard ? "discarded" : "zeroed");
            return "the disk has no such operation";
        case Operation::open:
        case Operation::close:
        case Operation::finish:
        case Operation::reset:
        case Operation::report:
            return zoned ? "the disk has no such operation" : "the disk has no zones";
        case Operation::read:
        case Operation::flush:
            break;
    }
    return "the disk has no such operation";
}

std::string Sentence::not_sequential() const {
    if (number_ && refusal_.offset != start_)
        return fmt::format("{} names a zone by its first byte, and zone {} begins at {}",
                           operation_ == Operation::append ? "an append" : "an action", *number_,
                           bytes(start_));
    return fmt::format("a conventional zone has no write pointer and can't be {}",
                       operation_ == Operation::append ? "appended to" : done());
}

std::string Sentence::unaligned() const {
    const auto block = limits_ == nullptr ? 0 : limits_->physical_block_size;
    if (block != 0 && (refusal_.offset % block != 0 || refusal_.length % block != 0))
        return fmt::format(
            "a sequential write required zone takes whole physical blocks of {} only",
            bytes(block));
    if (refusal_.zone && refusal_.zone->write_pointer)
        return "a sequential write required zone takes writes only there";
    return "a sequential write required zone takes writes only at its write pointer, in whole "
           "physical blocks";
}

std::string Sentence::too_many(std::optional<std::uint32_t> Limits::*most, std::string_view what,
                               std::string_view advice) const {
    const auto limit = limits_ == nullptr ? std::nullopt : limits_->*most;
    return fmt::format("no more than {} zones can be {} at once on this disk: {}",
                       limit ? fmt::format("{}", *limit) : "a certain number of", what, advice);
}

std::string Sentence::rule() const {
    const auto in_state = [this](ZoneState state) {
        return !refusal_.zone || refusal_.zone->state == state;
    };
    switch (refusal_.status.code) {
        case StatusCode::ok:
            return "nothing is wrong with the request";
        case StatusCode::invalid_request:
            return malformed();
        case StatusCode::out_of_range:
            if (limits_ == nullptr) return "the request reaches past the end of the disk";
            return fmt::format("the disk ends at {}", bytes(limits_->size()));
        case StatusCode::misaligned:
            if (limits_ == nullptr) return "the request is not whole logical blocks";
            return fmt::format("offset and length must be whole logical blocks of {}",
                               bytes(limits_->logical_block_size));
        case StatusCode::too_large:
            return too_large();
        case StatusCode::unsupported:
            return unsupported();
        case StatusCode::read_only:
            return writes() || is_zone_action(operation_)
                       ? "the disk is served for reading only, and nothing may change it"
                       : "the disk is served for reading only";
        case StatusCode::not_sequential:
            return not_sequential();
        case StatusCode::unaligned_write:
            return unaligned();
        case StatusCode::crosses_boundary:
            if (operation_ == Operation::append)
                return fmt::format("the data must fit between a zone's write pointer and {}",
                                   capacity_end());
            return fmt::format("the request must not leave its zone or run past {}",
                               capacity_end());
        case StatusCode::read_crosses_boundary:
            return "one read must not cover several zones of this disk";
        case StatusCode::read_past_pointer:
            return "this disk refuses reads beyond a zone's write pointer";
        case StatusCode::invalid_transition:
            return fmt::format("a zone in {} state can't be {}",
                               refusal_.zone ? "this" : "its present", done());
        case StatusCode::zone_full:
            return fmt::format("a full zone can't be {} before it is reset", done());
        case StatusCode::zone_read_only:
            if (!in_state(ZoneState::read_only))
                return fmt::format("a zone in the range has become read-only and can't be {}",
                                   done());
            return fmt::format(
                "a zone that has become read-only can't be {}, and no reset brings "
                "it back",
                done());
        case StatusCode::zone_offline:
            if (!in_state(ZoneState::offline))
                return fmt::format("a zone in the range has gone offline and can't be {}", done());
            return fmt::format(
                "a zone that has gone offline can't be {}, and no reset brings it "
                "back",
                done());
        case StatusCode::too_many_open:
            return too_many(&Limits::max_open, "open", "close or finish one first");
        case StatusCode::too_many_active:
            return too_many(&Limits::max_active, "active (open or closed)",
                            "finish or reset one first");
        case StatusCode::no_space:
            return "the file system or device that holds the disk is full";
        case StatusCode::media_error:
            return fmt::format("the medium could not be {} there", done());
        case StatusCode::io_error:
            return "the device below the server reported an I/O error";
        case StatusCode::device_gone:
            return "the device is gone, and every request will fail from now on";
        case StatusCode::aborted:
            return "the request was withdrawn before it was issued";
    }
    return "the reason is not known";
}

}  // namespace

std::string explain_refusal(const Refusal& refusal, const Limits* limits) {
    const Sentence sentence(refusal, limits);
    const auto zone = sentence.zone();
    const auto cause = to_string(refusal.status.cause);
    return fmt::format("{}: {}: {}{}{}{}",
                       kind_of(refusal.status.code) == RefusalKind::failure ? "failed" : "refused",
                       sentence.subject(), zone, zone.empty() ? "" : ", and ", sentence.rule(),
                       cause.empty() ? "" : fmt::format(" ({})", cause));
}

}  // namespace zonebridge::service
