// The protocol of a server's control socket: one JSON object a line, with a version that both sides
// state (docs/control-socket.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "service/lun_table.h"

namespace zonebridge::service {

inline constexpr unsigned control_version = 1;

struct ControlRequest {
    enum class Command : std::uint8_t { list, add, remove, refresh };

    Command command = Command::list;
    std::uint16_t lun = 0;                 ///< Of all but list.
    std::string device;                    ///< Of add; paths are absolute.
    LunOptions options;                    ///< Of add.
    Removal removal = Removal::announced;  ///< Of remove.
};

/// Nothing if `device` is not UTF-8, which JSON can't carry.
[[nodiscard]] std::optional<std::string> encode(const ControlRequest& request);

/// The error of a request line.
struct BadRequest {
    std::string message;
    bool hopeless = false;  ///< Not this protocol at all: the connection is of no use.
};
[[nodiscard]] tl::expected<ControlRequest, BadRequest> parse_request(std::string_view line);

/// A served disk, as in an answer.
struct ControlLun {
    std::uint16_t number = 0;
    std::string device;
    bool read_only = false;
    bool passed_through = false;
    bool removing = false;  ///< Removed from the guest, but the disk still holds commands.
    std::string model;
    std::uint64_t size = 0;  ///< Bytes, as is zone_size.
    std::uint64_t zone_size = 0;
    std::uint64_t zone_count = 0;
    std::uint32_t block_size = 0;
    std::optional<std::uint64_t> size_before;  ///< Of refresh.
};

struct ControlAnswer {
    std::vector<ControlLun> luns;
};

/// The answer, or the server's error message; nothing if the line is no answer.
[[nodiscard]] std::optional<tl::expected<ControlAnswer, std::string>> parse_answer(
    std::string_view line);

/// Whether the line is a greeting of this protocol and version; the error says what is wrong.
[[nodiscard]] tl::expected<void, std::string> check_greeting(std::string_view line);

/// The document of `zonebridge lun list --json`: the disks as in an answer, indented.
[[nodiscard]] std::string to_json(const std::vector<ControlLun>& luns);

/// The server's first line.
[[nodiscard]] std::string control_greeting();

struct ControlReply {
    std::string line;
    bool last = false;  ///< The request makes no sense: close the connection after this line.
};

/// Carries out a request, on the thread that changes the disks (service/lun_table.h). Bad input
/// gets a reply, too.
[[nodiscard]] ControlReply answer_request(std::string_view line, LunTable& luns);

/// The last line sent to a client that broke the socket's own rules.
[[nodiscard]] std::string control_complaint(std::string_view what);

}  // namespace zonebridge::service
