#include "tools/failure.h"

#include <utility>

#include <fmt/format.h>

namespace zonebridge::tools {

Failure failure_of(const Error& error) {
    return {Exit::failed, to_string(error)};
}

Failure failure_of(const Status& status, std::string_view what) {
    return failure_of(
        Error{status.code, fmt::format("{}: {}", what, explain(status.code)), status.cause});
}

Failure misuse(std::string message) {
    return {Exit::usage, std::move(message)};
}

Failure refusal(std::string message) {
    return {Exit::failed, std::move(message)};
}

}  // namespace zonebridge::tools
