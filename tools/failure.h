// How a verb fails: what is told on standard error, and with which exit status.
//
// Ownership: a Failure owns its text.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "zone/status.h"

namespace zonebridge::tools {

/// The program's exit statuses: a contract that other programs rely on.
enum class Exit : int {
    done = 0,
    failed = 1,  ///< The operation failed; one line on standard error says what, where and why.
    usage = 2,   ///< The command line itself is wrong; nothing was done.
};

struct Failure {
    Exit exit = Exit::failed;
    std::string message;
};

using Outcome = tl::expected<void, Failure>;

/// An error from below, its native cause in brackets unless the message has it already.
[[nodiscard]] Failure failure_of(const Error& error);

/// "`what`: `explain(status.code)` (native cause)".
[[nodiscard]] Failure failure_of(const Status& status, std::string_view what);

/// What the command line asked for can't be, whatever the device is like.
[[nodiscard]] Failure misuse(std::string message);

/// The operation can't be done or went wrong, with no native cause.
[[nodiscard]] Failure refusal(std::string message);

/// `text` on one line: control characters become '?'.
[[nodiscard]] std::string one_line(std::string_view text);

}  // namespace zonebridge::tools
