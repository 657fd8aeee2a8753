#include "transports/make_loop.h"

#include <utility>

#include "transports/ring.h"

namespace zonebridge {

tl::expected<std::unique_ptr<Loop>, Error> make_loop(Loop::Use use) {
    auto ring = Ring::create(512, use);
    if (!ring) return tl::unexpected(std::move(ring.error()));
    return std::unique_ptr<Loop>(std::move(*ring));
}

}  // namespace zonebridge
