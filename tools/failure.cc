#include "tools/failure.h"

#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace zonebridge::tools {
namespace {

/// The message and, in brackets, the parts of the native cause that it does not contain.
std::string with_cause(std::string message, NativeCause cause) {
    if (cause.source == NativeCause::Source::os_error) {
        const auto error = static_cast<int>(cause.value);
        const char* name = ::strerrorname_np(error);
        const char* words = ::strerrordesc_np(error);
        if (name != nullptr && words != nullptr) {
            if (message.find(name) != std::string::npos) return message;
            if (message.find(words) != std::string::npos)
                return fmt::format("{} ({})", message, name);
            return fmt::format("{} ({}: {})", message, name, words);
        }
    }
    const auto words = to_string(cause);
    if (words.empty() || message.find(words) != std::string::npos) return message;
    return fmt::format("{} ({})", message, words);
}

}  // namespace

Failure failure_of(const Error& error) {
    return {Exit::failed, with_cause(error.message, error.cause)};
}

Failure failure_of(const Status& status, std::string_view what) {
    return {Exit::failed,
            with_cause(fmt::format("{}: {}", what, explain(status.code)), status.cause)};
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
