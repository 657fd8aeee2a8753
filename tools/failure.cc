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

std::string one_line(std::string_view text) {
    std::string line(text);
    for (auto& character : line)
        if (static_cast<unsigned char>(character) < ' ' || character == 0x7f) character = '?';
    return line;
}

}  // namespace zonebridge::tools
