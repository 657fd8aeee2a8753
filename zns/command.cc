#include "zns/command.h"

namespace zonebridge::zns {
namespace {

constexpr std::uint32_t force_unit_access = 1U << 30;  // CDW12
constexpr std::uint32_t select_all = 1U << 8;          // CDW13 of Zone Management Send
constexpr std::uint32_t partial_report = 1U << 16;     // CDW13 of Zone Management Receive

Command at(Opcode opcode, std::uint32_t nsid, std::uint64_t lba) noexcept {
    return {.opcode = static_cast<std::uint8_t>(opcode),
            .nsid = nsid,
            .cdw10 = static_cast<std::uint32_t>(lba),
            .cdw11 = static_cast<std::uint32_t>(lba >> 32)};
}

Command data(Opcode opcode, std::uint32_t nsid, std::uint64_t lba, std::uint32_t blocks,
             bool fua) noexcept {
    auto command = at(opcode, nsid, lba);
    command.cdw12 = ((blocks - 1) & 0xFFFF) | (fua ? force_unit_access : 0);
    return command;
}

}  // namespace

Command read(std::uint32_t nsid, std::uint64_t lba, std::uint32_t blocks) noexcept {
    return data(Opcode::read, nsid, lba, blocks, false);
}

Command write(std::uint32_t nsid, std::uint64_t lba, std::uint32_t blocks, bool fua) noexcept {
    return data(Opcode::write, nsid, lba, blocks, fua);
}

Command append(std::uint32_t nsid, std::uint64_t zone, std::uint32_t blocks, bool fua) noexcept {
    return data(Opcode::zone_append, nsid, zone, blocks, fua);
}

Command flush(std::uint32_t nsid) noexcept {
    return at(Opcode::flush, nsid, 0);
}

Command act(std::uint32_t nsid, Action action, std::uint64_t zone) noexcept {
    auto command = at(Opcode::zone_management_send, nsid, zone);
    command.cdw13 = static_cast<std::uint32_t>(action);
    return command;
}

Command act_on_all(std::uint32_t nsid, Action action) noexcept {
    auto command = act(nsid, action, 0);
    command.cdw13 |= select_all;
    return command;
}

Command report(std::uint32_t nsid, std::uint64_t lba, std::uint32_t bytes) noexcept {
    auto command = at(Opcode::zone_management_receive, nsid, lba);
    command.cdw12 = bytes / 4 - 1;
    command.cdw13 = partial_report;
    return command;
}

}  // namespace zonebridge::zns
