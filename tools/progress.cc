#include "tools/progress.h"

#include <cstdio>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/size.h"

namespace zonebridge::tools {
namespace {

using std::chrono::steady_clock;
constexpr auto before_first = std::chrono::milliseconds(700);
constexpr auto between = std::chrono::milliseconds(200);

std::string amount(Progress::Unit unit, std::uint64_t value) {
    return unit == Progress::Unit::bytes ? readable_size(value) : fmt::format("{}", value);
}

}  // namespace

Progress::Progress(std::string what, Unit unit, std::uint64_t total)
    : what_(std::move(what)),
      unit_(unit),
      total_(total),
      enabled_(::isatty(STDERR_FILENO) == 1),
      start_(steady_clock::now()),
      next_(start_ + before_first) {}

Progress::~Progress() {
    clear();
}

void Progress::update(std::uint64_t done) {
    if (!enabled_) return;
    const auto now = steady_clock::now();
    if (now < next_) return;
    next_ = now + between;
    shown_ = true;

    const auto seconds = std::chrono::duration<double>(now - start_).count();
    auto line = fmt::format("{}: {}", what_, amount(unit_, done));
    if (total_ != 0)
        line += fmt::format(
            " of {} ({}%)", amount(unit_, total_),
            static_cast<unsigned>(static_cast<double>(done) * 100 / static_cast<double>(total_)));
    if (unit_ == Unit::zones) line += " zones";
    if (unit_ == Unit::bytes)
        line += fmt::format(
            ", {}/s",
            readable_size(static_cast<std::uint64_t>(static_cast<double>(done) / seconds)));
    fmt::print(stderr, "\r{}\x1b[K", line);
    std::fflush(stderr);
}

void Progress::clear() {
    if (!std::exchange(shown_, false)) return;
    fmt::print(stderr, "\r\x1b[K");
    std::fflush(stderr);
}

}  // namespace zonebridge::tools
