// A verb's failure: the message for standard error, and the exit status.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "service/log.h"
#include "zone/status.h"

namespace zonebridge::tools {

/// The program's exit statuses, on which other programs rely.
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

/// The command line's request is impossible on any device.
[[nodiscard]] Failure misuse(std::string message);

/// The operation is impossible or failed, without a native cause.
[[nodiscard]] Failure refusal(std::string message);

using service::one_line;

}  // namespace zonebridge::tools
