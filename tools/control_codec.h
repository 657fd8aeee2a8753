// What is said at a server's control socket: a JSON object a line, of a version that both sides name
// (docs/control-socket.md).
//
// Threads: plain values and pure functions; ControlCodec::answer() as service/lun_table.h.
// Ownership: owns its text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>
#include <tl/expected.hpp>

#include "service/control_socket.h"
#include "service/lun_table.h"

namespace zonebridge::tools {

inline constexpr unsigned control_version = 1;

struct ControlRequest {
    enum class Command : std::uint8_t { list, add, remove, refresh };

    Command command = Command::list;
    std::uint16_t lun = 0;                                   ///< Of all but list.
    std::string device;                                      ///< Of add; paths are absolute.
    service::LunOptions options;                             ///< Of add.
    service::Removal removal = service::Removal::announced;  ///< Of remove.
};

/// Nothing if `device` is not UTF-8, which JSON can't carry.
[[nodiscard]] std::optional<std::string> encode(const ControlRequest& request);

/// What is wrong with a line, and whether its sender may be expected to do better.
struct BadRequest {
    std::string message;
    bool hopeless = false;  ///< Not this protocol at all.
};
[[nodiscard]] tl::expected<ControlRequest, BadRequest> parse_request(std::string_view line);

/// A served disk as an answer has it.
struct ControlLun {
    std::uint16_t number = 0;
    std::string device;
    bool read_only = false;
    bool passed_through = false;
    std::string model;
    std::uint64_t size = 0;  ///< Bytes, as is zone_size.
    std::uint64_t zone_size = 0;
    std::uint64_t zone_count = 0;
    std::uint32_t block_size = 0;
    std::optional<std::uint64_t> size_before;  ///< Of refresh.
};

/// As answers have it, and `zonebridge lun list --json`: all but size_before.
[[nodiscard]] nlohmann::ordered_json to_json(const ControlLun& lun);

struct ControlAnswer {
    std::vector<ControlLun> luns;
};

/// The answer, what the server refused, in its words, or nothing: it is no answer.
[[nodiscard]] std::optional<tl::expected<ControlAnswer, std::string>> parse_answer(
    std::string_view line);

/// Whether this is how a server of this protocol greets, and what is wrong with it if it can't be
/// understood further.
[[nodiscard]] tl::expected<void, std::string> check_greeting(std::string_view line);

/// The server's side.
class ControlCodec final : public service::ControlProtocol {
  public:
    [[nodiscard]] std::string greeting() const override;
    [[nodiscard]] Answer answer(std::string_view line, service::LunTable& luns) const override;
    [[nodiscard]] std::string complaint(std::string_view what) const override;
};

}  // namespace zonebridge::tools
