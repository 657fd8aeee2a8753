// A request that was refused or failed, told to whoever writes it down for people: what was asked
// for, what was wrong, and how the zone stood.
//
// Threads: a RefusalSink is safe from any thread.
// Ownership: plain values; whoever tells a sink borrows it.
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
    /// As it was before whoever asked could know of the refusal; absent where nobody looked.
    std::optional<Zone> zone = std::nullopt;
};

/// What a StatusCode is about.
enum class Matter : std::uint8_t {
    nothing,  ///< ok
    request,  ///< It could not have been, whatever the zones are in.
    zone,     ///< A zone's place, state or write pointer, or how many may be open.
    failure,  ///< It was right, and failed on the way or at the medium.
};
[[nodiscard]] Matter matter_of(StatusCode code) noexcept;

class RefusalSink {
  public:
    /// What the disk that refuses can do; told once, before anything is refused.
    virtual void knows(const Limits& limits) { static_cast<void>(limits); }
    /// Whether the next refusal would be written down: whether a look at its zone is worth it.
    [[nodiscard]] virtual bool wants() const noexcept = 0;
    /// Neither blocks nor fails; what is too much is counted and left out.
    virtual void refused(const Refusal& refusal) noexcept = 0;

  protected:
    ~RefusalSink() = default;
};

}  // namespace zonebridge
