#include "transports/sequencer/sequencer.h"

namespace zonebridge {

tl::expected<std::unique_ptr<Transport>, Error> sequence(std::unique_ptr<Transport> device) {
    return device;
}

}  // namespace zonebridge
