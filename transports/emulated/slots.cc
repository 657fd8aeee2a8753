#include "transports/emulated/slots.h"

namespace zonebridge::emulated {

// In its own file, because a test builds it with the fault that the four stages prevent.
void SlotMap::release(std::uint32_t zone) noexcept {
    const auto slot = of(zone);
    if (!slot) return;
    of_zone_[zone - first_zone_] = 0;
#ifdef ZONEBRIDGE_BREAK_REUSE_BEFORE_COMMIT
    punchable_.set(*slot);
#else
    freed_.set(*slot);
#endif
}

}  // namespace zonebridge::emulated
