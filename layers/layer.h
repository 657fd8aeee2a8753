// What all layers have in common as transports over a transport.
//
// Threads: as zone/transport.h.
// Ownership: owns the transport below.
#pragma once

#include <memory>
#include <utility>

#include "zone/transport.h"

namespace zonebridge {

/// Identity, size and end are those of the transport below, and so are the limits, unless a layer
/// gives others. Derived classes open the queues.
class Layer : public Transport {
  public:
    [[nodiscard]] const Limits& limits() const noexcept final { return limits_; }
    [[nodiscard]] const Identity& identity() const noexcept final { return below_->identity(); }
    std::uint64_t look_at_size() final {
        const auto size = below_->look_at_size();
        if (size != limits_.size()) limits_.layout.resize(size);
        return size;
    }
    [[nodiscard]] tl::expected<void, Error> close() final { return below_->close(); }

  protected:
    explicit Layer(std::unique_ptr<Transport> below)
        : below_(std::move(below)), limits_(below_->limits()) {}
    Layer(std::unique_ptr<Transport> below, Limits limits)
        : below_(std::move(below)), limits_(std::move(limits)) {}

    [[nodiscard]] Transport& below() const noexcept { return *below_; }

  private:
    std::unique_ptr<Transport> below_;
    Limits limits_;
};

}  // namespace zonebridge
