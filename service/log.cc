#include "service/log.h"

#include <array>
#include <sys/uio.h>
#include <unistd.h>

namespace zonebridge::service {

std::string one_line(std::string_view text) {
    std::string line(text);
    for (auto& character : line)
        if (static_cast<unsigned char>(character) < ' ' || character == 0x7f) character = '?';
    return line;
}

void log_line(std::string_view text) noexcept {
    constexpr std::string_view head = "zonebridge: ";
    const auto piece = [](std::string_view part) {
        return iovec{const_cast<char*>(part.data()), part.size()};
    };
    const std::array pieces{piece(head), piece(text), piece("\n")};
    [[maybe_unused]] const auto written =
        ::writev(STDERR_FILENO, pieces.data(), static_cast<int>(pieces.size()));
}

}  // namespace zonebridge::service
