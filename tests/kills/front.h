// What the workload needs of a front end: requests to zones in, answers out, and the same requests
// kept while the server is away. Positions and lengths are in bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace zonebridge::kills {

enum class Kind : std::uint8_t { read, write, append, reset, finish, flush };

struct Request {
    Kind kind = Kind::flush;
    std::uint64_t offset = 0;  ///< The zone's start for appends and actions.
    std::uint32_t length = 0;  ///< Of reads.
    std::span<const std::byte> data = {};
};

struct Answer {
    enum class How : std::uint8_t {
        done,
        again,     ///< The command has to be sent again (a unit attention).
        unplaced,  ///< An append's I/O error.
        failed,
    };

    std::uint64_t id = 0;
    How how = How::failed;
    std::uint64_t place = 0;  ///< Of an append that is done.
    std::vector<std::byte> data = {};
    std::string text = {};  ///< Of an answer that is not done.
};

struct Zone {
    std::uint64_t start = 0;
    std::uint64_t capacity = 0;
    std::uint64_t pointer = 0;  ///< Not of a full zone.
    bool conventional = false;
    bool full = false;
};

class Front {
  public:
    Front() = default;
    Front(const Front&) = delete;
    Front& operator=(const Front&) = delete;
    virtual ~Front() = default;

    [[nodiscard]] virtual bool has_appends() const = 0;
    /// Queues a request and returns its number. The data is copied.
    [[nodiscard]] virtual std::uint64_t add(const Request& request) = 0;
    virtual void submit() = 0;
    /// An answer that is there; with `wait`, one to any request in flight, which must come in time.
    [[nodiscard]] virtual std::optional<Answer> take(bool wait) = 0;
    /// The zones from `start` on, at most `count`. Nothing may be in flight.
    [[nodiscard]] virtual std::vector<Zone> zones(std::uint64_t start, std::size_t count) = 0;
    /// Goes on with the next server.
    virtual void resume() = 0;
};

/// Drivers of tests/driver, whose requests in flight are recorded in memory of their own.
[[nodiscard]] std::unique_ptr<Front> blk_front(const std::string& socket, std::uint16_t queues);
[[nodiscard]] std::unique_ptr<Front> scsi_front(const std::string& socket, std::uint16_t queues);
/// A block device of this machine's kernel: one thread for each request in flight.
[[nodiscard]] std::unique_ptr<Front> kernel_front(const std::string& node);

inline constexpr std::size_t most_in_flight = 32;
inline constexpr std::uint32_t longest_request = 1u << 16;

}  // namespace zonebridge::kills
