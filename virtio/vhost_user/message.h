// The messages of the vhost-user protocol: numbers, flags, payloads, and pure functions between
// payload structs and bytes (the standard is QEMU's "Vhost-user Protocol"). Numbers are in native
// byte order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <tl/expected.hpp>

#include "virtio/memory.h"

namespace zonebridge::virtio {

enum class Request : std::uint32_t {
    get_features = 1,
    set_features = 2,
    set_owner = 3,
    reset_owner = 4,
    set_mem_table = 5,
    set_log_base = 6,
    set_log_fd = 7,
    set_vring_num = 8,
    set_vring_addr = 9,
    set_vring_base = 10,
    get_vring_base = 11,
    set_vring_kick = 12,
    set_vring_call = 13,
    set_vring_err = 14,
    get_protocol_features = 15,
    set_protocol_features = 16,
    get_queue_num = 17,
    set_vring_enable = 18,
    set_backend_req_fd = 21,
    get_config = 24,
    set_config = 25,
    get_inflight_fd = 31,
    set_inflight_fd = 32,
    reset_device = 34,
    get_max_mem_slots = 36,
    add_mem_reg = 37,
    rem_mem_reg = 38,
    set_status = 39,
    get_status = 40,
};

/// The request of that number, if this back end knows it.
[[nodiscard]] std::optional<Request> parse_request(std::uint32_t number) noexcept;
/// "SET_MEM_TABLE".
[[nodiscard]] std::string_view to_string(Request request) noexcept;

/// Requests from the back end to the front end, on the channel of SET_BACKEND_REQ_FD.
enum class BackendRequest : std::uint32_t { config_change = 2 };

namespace protocol_feature {
inline constexpr std::uint64_t mq = 1ull << 0;
inline constexpr std::uint64_t log_shmfd = 1ull << 1;
inline constexpr std::uint64_t reply_ack = 1ull << 3;
inline constexpr std::uint64_t backend_req = 1ull << 5;
inline constexpr std::uint64_t config = 1ull << 9;
inline constexpr std::uint64_t inflight_shmfd = 1ull << 12;
inline constexpr std::uint64_t reset_device = 1ull << 13;
inline constexpr std::uint64_t configure_mem_slots = 1ull << 15;
inline constexpr std::uint64_t status = 1ull << 16;
/// The features that this back end offers.
inline constexpr std::uint64_t offered = mq | log_shmfd | reply_ack | backend_req | config |
                                         inflight_shmfd | reset_device | configure_mem_slots |
                                         status;
}  // namespace protocol_feature

struct MessageHeader {
    static constexpr std::uint32_t version = 1;
    static constexpr std::uint32_t version_mask = 3;
    static constexpr std::uint32_t reply = 4;
    static constexpr std::uint32_t need_reply = 8;

    std::uint32_t request = 0;
    std::uint32_t flags = version;
    std::uint32_t size = 0;  ///< Of the payload.
};
static_assert(sizeof(MessageHeader) == 12);

struct VringState {
    std::uint32_t index = 0;
    std::uint32_t number = 0;
};

struct VringAddress {
    static constexpr std::uint32_t flag_log = 1;  ///< VHOST_VRING_F_LOG

    std::uint32_t index = 0;
    std::uint32_t flags = 0;
    std::uint64_t descriptors = 0;
    std::uint64_t used = 0;
    std::uint64_t available = 0;
    std::uint64_t log = 0;
};
static_assert(sizeof(VringAddress) == 40);

/// The u64 of SET_VRING_KICK, CALL and ERR.
namespace vring_fd {
inline constexpr std::uint64_t index_mask = 0xff;
inline constexpr std::uint64_t no_fd = 0x100;
}  // namespace vring_fd

struct LogDescription {
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
};

struct ConfigHeader {
    static constexpr std::uint32_t flag_migration = 1;

    std::uint32_t offset = 0;
    std::uint32_t size = 0;
    std::uint32_t flags = 0;
};
static_assert(sizeof(ConfigHeader) == 12);

struct InflightDescription {
    std::uint64_t mmap_size = 0;
    std::uint64_t mmap_offset = 0;
    std::uint16_t queues = 0;
    std::uint16_t queue_size = 0;
};
/// On the wire without the tail padding of the struct.
inline constexpr std::size_t inflight_description_bytes = 20;

/// The largest configuration space that vhost-user can carry.
inline constexpr std::size_t max_config_size = 256;
/// The most regions of SET_MEM_TABLE, and so the most descriptors of any message.
inline constexpr std::size_t max_table_regions = 8;
inline constexpr std::size_t max_message_fds = 8;
/// No request has a larger payload than SET_CONFIG of a whole configuration space, or a full
/// SET_MEM_TABLE.
inline constexpr std::size_t max_payload = 512;

/// A payload that is one plain struct; nothing if its size differs.
template <typename Payload>
[[nodiscard]] std::optional<Payload> parse(std::span<const std::byte> bytes) noexcept {
    static_assert(std::is_trivially_copyable_v<Payload>);
    if (bytes.size() != sizeof(Payload)) return std::nullopt;
    Payload payload;
    std::memcpy(&payload, bytes.data(), sizeof payload);
    return payload;
}
/// The inflight description with or without its tail padding.
template <>
[[nodiscard]] std::optional<InflightDescription> parse<InflightDescription>(
    std::span<const std::byte> bytes) noexcept;

/// SET_MEM_TABLE's regions.
[[nodiscard]] std::optional<std::vector<MemoryRegion>> parse_memory_table(
    std::span<const std::byte> bytes);
/// ADD_MEM_REG's and REM_MEM_REG's region.
[[nodiscard]] std::optional<MemoryRegion> parse_memory_region(
    std::span<const std::byte> bytes) noexcept;

struct ConfigAccess {
    ConfigHeader header;
    std::span<const std::byte> bytes;  ///< A view of the payload.
};
/// GET_CONFIG's and SET_CONFIG's payload: at most max_config_size bytes, as many as its header
/// says.
[[nodiscard]] std::optional<ConfigAccess> parse_config(std::span<const std::byte> bytes) noexcept;

}  // namespace zonebridge::virtio
