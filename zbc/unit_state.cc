#include "zbc/unit_state.h"

namespace zonebridge::zbc {

ModeValues UnitState::mode_values(std::uint32_t initiator) noexcept {
    return {initiators_.descriptor_sense(initiator),
            initiators_.software_write_protected(initiator), write_cache()};
}

void UnitState::set_mode_values(std::uint32_t initiator, const ModeValues& values) noexcept {
    initiators_.set_descriptor_sense(initiator, values.descriptor_sense);
    initiators_.set_software_write_protected(initiator, values.software_write_protect);
    set_write_cache(initiator, values.write_cache);
}

void UnitState::set_write_cache(std::uint32_t initiator, bool value) noexcept {
    if (write_cache_.exchange(value) != value)
        initiators_.raise(Attention::mode_changed, initiator);
}

void UnitState::reset(std::uint32_t initiator) noexcept {
    set_stopped(false);
    set_write_cache(initiator, ModeValues().write_cache);
    initiators_.reset(initiator);
}

}  // namespace zonebridge::zbc
