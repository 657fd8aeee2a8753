#include "transports/scsi/retry.h"

#include <algorithm>
#include <thread>

namespace zonebridge::scsi {

bool Patience::wait(Retry retry) noexcept {
    switch (retry) {
        case Retry::no:
            return false;
        case Retry::now:
            return attentions_-- > 0;
        case Retry::later:
            break;
    }
    if (left_.count() <= 0) return false;
    const auto pause = std::min(pause_, left_);
    std::this_thread::sleep_for(pause);
    left_ -= pause;
    pause_ = std::min(pause_ * 2, std::chrono::milliseconds(250));
    return true;
}

Answer send(Port& port, const Command& command, Patience patience) noexcept {
    for (;;) {
        auto answer = port.run(command);
        if (!patience.wait(retry_of(answer))) return answer;
    }
}

}  // namespace zonebridge::scsi
