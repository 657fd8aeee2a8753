#include "zns/status.h"

#include <map>

#include <gtest/gtest.h>

namespace zonebridge::zns {
namespace {

using Code = StatusCode;

// Every status with a meaning of its own: NVMe Base, NVM and ZNS Command Set Specifications,
// "Status Values". All others are io_error.
const std::map<unsigned, Code> meaning{
    {0x000, Code::ok},
    {0x001, Code::unsupported},         // Invalid Command Opcode
    {0x002, Code::invalid_request},     // Invalid Field in Command
    {0x00B, Code::device_gone},         // Invalid Namespace or Format
    {0x014, Code::too_large},           // Atomic Write Unit Exceeded
    {0x020, Code::read_only},           // Namespace is Write Protected
    {0x080, Code::out_of_range},        // LBA Out of Range
    {0x081, Code::no_space},            // Capacity Exceeded
    {0x180, Code::invalid_request},     // Conflicting Attributes
    {0x181, Code::invalid_request},     // Invalid Protection Information
    {0x182, Code::read_only},           // Attempted Write to Read Only Range
    {0x183, Code::too_large},           // Command Size Limit Exceeded
    {0x1B6, Code::invalid_request},     // Invalid Zone Operation Request
    {0x1B8, Code::crosses_boundary},    // Zone Boundary Error
    {0x1B9, Code::zone_full},           // Zone Is Full
    {0x1BA, Code::zone_read_only},      // Zone Is Read Only
    {0x1BB, Code::zone_offline},        // Zone Is Offline
    {0x1BC, Code::unaligned_write},     // Zone Invalid Write
    {0x1BD, Code::too_many_active},     // Too Many Active Zones
    {0x1BE, Code::too_many_open},       // Too Many Open Zones
    {0x1BF, Code::invalid_transition},  // Invalid Zone State Transition
    {0x280, Code::media_error},         // Write Fault
    {0x281, Code::media_error},         // Unrecovered Read Error
    {0x282, Code::media_error},         // End-to-end Guard Check Error
    {0x283, Code::media_error},         // End-to-end Application Tag Check Error
    {0x284, Code::media_error},         // End-to-end Reference Tag Check Error
    {0x287, Code::read_past_pointer},   // Deallocated or Unwritten Logical Block
    {0x288, Code::media_error},         // End-to-End Storage Tag Check Error
    {0x301, Code::device_gone},         // Asymmetric Access Persistent Loss
    {0x370, Code::device_gone},         // Host Pathing Error
};

TEST(ZnsStatus, EveryTypeAndCodeHasTheMeaningOfTheStandards) {
    for (unsigned status = 0; status < 0x800; ++status) {
        const auto known = meaning.find(status);
        const auto expected = known == meaning.end() ? Code::io_error : known->second;
        const auto got = status_of(static_cast<std::uint16_t>(status), Operation::write);
        EXPECT_EQ(got.code, expected) << std::hex << status;
        if (status == 0) continue;
        EXPECT_EQ(got.cause, (NativeCause{NativeCause::Source::nvme_status, status}));
    }
}

TEST(ZnsStatus, FlagsBesideTheCodeAreIgnored) {
    // Do Not Retry, More and the retry delay, which QEMU and Linux pass on.
    for (const unsigned flags : {0x4000U, 0x2000U, 0x1800U, 0x7800U}) {
        const auto got = status_of(static_cast<std::uint16_t>(flags | 0x1BC), Operation::write);
        EXPECT_EQ(got.code, Code::unaligned_write) << std::hex << flags;
        EXPECT_EQ(got.cause.value, 0x1BCU);
    }
}

TEST(ZnsStatus, AZoneBoundaryErrorOfAReadHasItsOwnStatus) {
    EXPECT_EQ(status_of(0x1B8, Operation::read).code, Code::read_crosses_boundary);
    EXPECT_EQ(status_of(0x1B8, Operation::append).code, Code::crosses_boundary);
}

TEST(ZnsStatus, HasTheStandardsWords) {
    EXPECT_EQ(words_of(0x1B9), "Zone Is Full");
    EXPECT_EQ(words_of(0x41BC), "Zone Invalid Write");
    EXPECT_EQ(words_of(0x002), "Invalid Field in Command");
    EXPECT_EQ(words_of(0x371), "Command Aborted By Host");
    EXPECT_EQ(words_of(0x7FF), "");
    EXPECT_EQ(words_of(0), "");
}

}  // namespace
}  // namespace zonebridge::zns
