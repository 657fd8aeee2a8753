#include "virtio/vhost_user/message.h"

namespace zonebridge::virtio {

std::optional<Request> parse_request(std::uint32_t number) noexcept {
    const auto request = static_cast<Request>(number);
    if (to_string(request).empty()) return std::nullopt;
    return request;
}

std::string_view to_string(Request request) noexcept {
    switch (request) {
        case Request::get_features:
            return "GET_FEATURES";
        case Request::set_features:
            return "SET_FEATURES";
        case Request::set_owner:
            return "SET_OWNER";
        case Request::reset_owner:
            return "RESET_OWNER";
        case Request::set_mem_table:
            return "SET_MEM_TABLE";
        case Request::set_log_base:
            return "SET_LOG_BASE";
        case Request::set_log_fd:
            return "SET_LOG_FD";
        case Request::set_vring_num:
            return "SET_VRING_NUM";
        case Request::set_vring_addr:
            return "SET_VRING_ADDR";
        case Request::set_vring_base:
            return "SET_VRING_BASE";
        case Request::get_vring_base:
            return "GET_VRING_BASE";
        case Request::set_vring_kick:
            return "SET_VRING_KICK";
        case Request::set_vring_call:
            return "SET_VRING_CALL";
        case Request::set_vring_err:
            return "SET_VRING_ERR";
        case Request::get_protocol_features:
            return "GET_PROTOCOL_FEATURES";
        case Request::set_protocol_features:
            return "SET_PROTOCOL_FEATURES";
        case Request::get_queue_num:
            return "GET_QUEUE_NUM";
        case Request::set_vring_enable:
            return "SET_VRING_ENABLE";
        case Request::set_backend_req_fd:
            return "SET_BACKEND_REQ_FD";
        case Request::get_config:
            return "GET_CONFIG";
        case Request::set_config:
            return "SET_CONFIG";
        case Request::get_inflight_fd:
            return "GET_INFLIGHT_FD";
        case Request::set_inflight_fd:
            return "SET_INFLIGHT_FD";
        case Request::reset_device:
            return "RESET_DEVICE";
        case Request::get_max_mem_slots:
            return "GET_MAX_MEM_SLOTS";
        case Request::add_mem_reg:
            return "ADD_MEM_REG";
        case Request::rem_mem_reg:
            return "REM_MEM_REG";
        case Request::set_status:
            return "SET_STATUS";
        case Request::get_status:
            return "GET_STATUS";
    }
    return {};
}

template <>
std::optional<InflightDescription> parse<InflightDescription>(
    std::span<const std::byte> bytes) noexcept {
    if (bytes.size() != inflight_description_bytes && bytes.size() != sizeof(InflightDescription))
        return std::nullopt;
    InflightDescription description;
    std::memcpy(static_cast<void*>(&description), bytes.data(), inflight_description_bytes);
    return description;
}

namespace {

constexpr std::size_t region_bytes = 32;
constexpr std::size_t table_header_bytes = 8;  // number of regions, padding

MemoryRegion region_at(const std::byte* at) noexcept {
    std::uint64_t words[4];
    std::memcpy(words, at, sizeof words);
    return {words[0], words[1], words[2], words[3]};
}

}  // namespace

std::optional<std::vector<MemoryRegion>> parse_memory_table(std::span<const std::byte> bytes) {
    if (bytes.size() < table_header_bytes) return std::nullopt;
    std::uint32_t count = 0;
    std::memcpy(&count, bytes.data(), sizeof count);
    // Front ends may send the whole struct, with room for eight regions, whatever its count.
    if (count > max_table_regions || bytes.size() < table_header_bytes + count * region_bytes ||
        bytes.size() > table_header_bytes + max_table_regions * region_bytes)
        return std::nullopt;
    std::vector<MemoryRegion> regions;
    for (std::uint32_t i = 0; i < count; ++i)
        regions.push_back(region_at(bytes.data() + table_header_bytes + i * region_bytes));
    return regions;
}

std::optional<MemoryRegion> parse_memory_region(std::span<const std::byte> bytes) noexcept {
    constexpr std::size_t padding = 8;
    if (bytes.size() != padding + region_bytes) return std::nullopt;
    return region_at(bytes.data() + padding);
}

std::optional<ConfigAccess> parse_config(std::span<const std::byte> bytes) noexcept {
    ConfigAccess access;
    if (bytes.size() < sizeof access.header) return std::nullopt;
    std::memcpy(&access.header, bytes.data(), sizeof access.header);
    access.bytes = bytes.subspan(sizeof access.header);
    if (access.header.size > max_config_size || access.bytes.size() != access.header.size)
        return std::nullopt;
    return access;
}

}  // namespace zonebridge::virtio
