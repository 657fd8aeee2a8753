#include "virtio-blk/status.h"

#include <gtest/gtest.h>

namespace zonebridge::virtio_blk {
namespace {

struct Row {
    StatusCode code;
    unsigned write;   // of a write, to a driver with zones
    unsigned append;  // of an append, to a driver with zones
    unsigned plain;   // to a driver without zones
};

TEST(BlkStatus, EveryStatusHasItsNumber) {
    const Row rows[] = {
        {StatusCode::ok, 0, 0, 0},
        {StatusCode::invalid_request, 1, 3, 1},
        {StatusCode::out_of_range, 1, 3, 1},
        {StatusCode::misaligned, 1, 4, 1},
        {StatusCode::too_large, 1, 3, 1},
        {StatusCode::unsupported, 2, 2, 2},
        {StatusCode::read_only, 1, 1, 1},
        {StatusCode::not_sequential, 3, 3, 1},
        {StatusCode::unaligned_write, 4, 4, 1},
        {StatusCode::crosses_boundary, 3, 3, 1},
        {StatusCode::read_crosses_boundary, 3, 3, 1},
        {StatusCode::read_past_pointer, 3, 3, 1},
        {StatusCode::invalid_transition, 3, 3, 1},
        {StatusCode::zone_full, 3, 3, 1},
        {StatusCode::zone_read_only, 3, 3, 1},
        {StatusCode::zone_offline, 3, 3, 1},
        {StatusCode::too_many_open, 5, 5, 1},
        {StatusCode::too_many_active, 6, 6, 1},
        {StatusCode::no_space, 1, 1, 1},
        {StatusCode::media_error, 1, 1, 1},
        {StatusCode::io_error, 1, 1, 1},
        {StatusCode::device_gone, 1, 1, 1},
        {StatusCode::aborted, 1, 1, 1},
    };
    EXPECT_EQ(std::size(rows), static_cast<std::size_t>(StatusCode::aborted) + 1);
    for (const auto& [code, write, append, plain] : rows) {
        EXPECT_EQ(static_cast<unsigned>(zoned_status(code, RequestType::out)), write)
            << to_string(code);
        EXPECT_EQ(static_cast<unsigned>(zoned_status(code, RequestType::zone_append)), append)
            << to_string(code);
        EXPECT_EQ(static_cast<unsigned>(plain_status(code)), plain) << to_string(code);
    }
}

}  // namespace
}  // namespace zonebridge::virtio_blk
