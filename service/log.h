// The server's log on standard error: one line for each event, whole lines only. Also: text of others
// for such a line.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::service {

/// `text` on one line: control characters become '?'.
[[nodiscard]] std::string one_line(std::string_view text);

/// Writes "zonebridge: TEXT" and a newline in one write.
void log_line(std::string_view text) noexcept;

template <typename... Arguments>
void log(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    log_line(fmt::format(format, std::forward<Arguments>(arguments)...));
}

}  // namespace zonebridge::service
