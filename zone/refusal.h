// A refused or failed request, reported to a sink that logs it for people: the request, the reason,
// and the zone's state.
//
// Threads: a RefusalSink is safe from any thread.
// Ownership: plain values; code that reports to a sink borrows it.
#pragma once

#include <cstdint>
#include <optional>

#include "zone/limits.h"
#include "zone/request.h"
#include "zone/status.h"
#include "zone/types.h"

namespace zonebridge {

struct Refusal {
    Operation operation = Operation::read;
    std::uint64_t offset = 0;  ///< Bytes, as asked for.
    std::uint64_t length = 0;
    Scope scope = Scope::zones;
    Status status;
    /// The zone before the request's completion was handed out; absent if the zone was not looked
    /// up.
    std::optional<Zone> zone = std::nullopt;
};

/// What a StatusCode is about.
enum class RefusalKind : std::uint8_t {
    nothing,  ///< ok
    request,  ///< The request is invalid whatever the zones' states.
    zone,     ///< A zone's place, state or write pointer, or how many may be open.
    failure,  ///< The request was valid, and failed on the way or at the medium.
};
[[nodiscard]] constexpr RefusalKind kind_of(StatusCode code) noexcept {
    switch (code) {
        case StatusCode::ok:
            return RefusalKind::nothing;
        case StatusCode::invalid_request:
        case StatusCode::out_of_range:
        case StatusCode::misaligned:
        case StatusCode::too_large:
        case StatusCode::unsupported:
        case StatusCode::read_only:
            return RefusalKind::request;
        case StatusCode::not_sequential:
        case StatusCode::unaligned_write:
        case StatusCode::crosses_boundary:
        case StatusCode::read_crosses_boundary:
        case StatusCode::read_past_pointer:
        case StatusCode::invalid_transition:
        case StatusCode::zone_full:
        case StatusCode::zone_read_only:
        case StatusCode::zone_offline:
        case StatusCode::too_many_open:
        case StatusCode::too_many_active:
            return RefusalKind::zone;
        case StatusCode::no_space:
        case StatusCode::media_error:
        case StatusCode::io_error:
        case StatusCode::device_gone:
        case StatusCode::aborted:
            return RefusalKind::failure;
    }
    return RefusalKind::failure;
}

class RefusalSink {
  public:
    /// The limits of the disk that refuses; called once, before any refusal.
    virtual void knows(const Limits& limits) { static_cast<void>(limits); }
    /// Whether the next refusal would be logged, and so whether looking up its zone is worthwhile.
    [[nodiscard]] virtual bool wants() const noexcept = 0;
    /// Neither blocks nor fails; refusals in excess are counted and left out.
    virtual void refused(const Refusal& refusal) noexcept = 0;

  protected:
    ~RefusalSink() = default;
};

}  // namespace zonebridge
