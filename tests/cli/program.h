// Runs the real `zonebridge` as its users do: arguments and streams in, streams and exit status
// out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/unit/support/temporary.h"

namespace zonebridge::test {

struct Command {
    enum class Stdout {
        captured,
        closed,       ///< No descriptor 1 at all.
        full,         ///< /dev/full: every write fails for lack of space.
        gone_reader,  ///< A pipe without a reader.
    };

    std::vector<std::string> arguments;
    std::string input;  ///< Written to standard input through a pipe, in pieces.
    bool closed_stdin = false;
    Stdout out = Stdout::captured;
    std::vector<std::string> environment;  ///< NAME=VALUE, in addition to a fixed PATH and locale.
};

struct Result {
    int status = -1;  ///< Exit status; 128 + signal if it was killed.
    std::string out;
    std::string err;
    long peak_memory = 0;  ///< The largest resident size, in bytes.
};

[[nodiscard]] Result run(const Command& what);
[[nodiscard]] Result zonebridge(std::vector<std::string> arguments, std::string input = {});

/// A command that must succeed; returns its standard output.
std::string done(std::vector<std::string> arguments, std::string input = {});
/// Like done(), for output that is one JSON document.
[[nodiscard]] nlohmann::json json_of(std::vector<std::string> arguments, std::string input = {});
/// A command that must fail with exit status 1 and one line on standard error; returns the line.
std::string failed(std::vector<std::string> arguments, std::string input = {});

/// A command that runs in the background, and is killed by the destructor.
class Background {
  public:
    /// The limits of its open files (RLIMIT_NOFILE).
    struct Files {
        rlim_t soft;
        rlim_t hard;
    };

    /// `log`: a file for its standard error, instead of the test's own.
    explicit Background(std::vector<std::string> arguments,
                        std::vector<std::string> environment = {}, const std::string& log = {},
                        std::optional<Files> files = std::nullopt);
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;
    ~Background();

    /// Its standard output up to and including the line that begins with `word`, or to the end.
    std::string output_until(const std::string& word);
    /// Sends SIGTERM, waits, and returns the exit status.
    int stop();
    [[nodiscard]] int process() const noexcept { return process_; }

  private:
    int process_ = -1;
    int output_ = -1;
};

[[nodiscard]] std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& content);
/// `size` pseudo-random bytes; each `seed` gives others.
[[nodiscard]] std::string pattern(std::size_t size, std::uint32_t seed = 1);

/// An emulated disk in a folder of its own.
class Disk {
  public:
    /// `shape`: the arguments of `zonebridge create` behind the file name.
    explicit Disk(std::vector<std::string> shape = {"--size", "32M", "--zone-size", "4M",
                                                    "--conventional", "2", "--max-open", "3"});
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string operator/(const std::string& name) const { return folder_ / name; }
    /// Zone `number` as `report --json` has it.
    [[nodiscard]] nlohmann::json zone(std::size_t number) const;
    [[nodiscard]] std::string state(std::size_t number) const;

  private:
    TemporaryFolder folder_;
    std::string path_;
};

}  // namespace zonebridge::test
