#include "tests/fuzz/request_seeds.h"

#include <algorithm>
#include <array>
#include <random>

#include "tests/unit/support/target_commands.h"
#include "zbc/commands.h"

namespace zonebridge::fuzz {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// The disks: the input of some_shape().
constexpr std::array<std::array<std::uint8_t, 2>, 8> command_shapes{{{0x00, 0x00},
                                                                     {0x3F, 0x00},
                                                                     {0x40, 0x08},
                                                                     {0x90, 0x14},
                                                                     {0x02, 0x22},
                                                                     {0x04, 0x42},
                                                                     {0x00, 0x43},
                                                                     {0x12, 0xC0}}};

void append(Bytes& bytes, std::initializer_list<int> more) {
    for (const auto byte : more) bytes.push_back(static_cast<std::uint8_t>(byte));
}

/// A disk with empty zones, or with one zone in each state.
Bytes disk(std::size_t shape, bool used) {
    Bytes bytes(command_shapes[shape].begin(), command_shapes[shape].end());
    for (int zone = 0; zone < 8; ++zone) bytes.push_back(used ? zone | 1 << 3 : 0);
    return bytes;
}

/// Adds seeds of some valid steps each, and as many with the same beginning and random bytes behind it.
void add_plain_and_wild(std::vector<Seed>& seeds, const std::string& name, const Bytes& begin,
                        const std::vector<Bytes>& steps) {
    constexpr std::size_t most = 10;  // a fuzzer gains more from many short seeds
    std::mt19937 random(static_cast<unsigned>(seeds.size()));
    for (std::size_t at = 0; at < steps.size(); at += most) {
        auto plain = begin;
        auto wild = begin;
        for (auto i = at; i < std::min(at + most, steps.size()); ++i) {
            plain.insert(plain.end(), steps[i].begin(), steps[i].end());
            for (std::size_t j = 0; j < steps[i].size(); ++j)
                wild.push_back(static_cast<std::uint8_t>(random()));
        }
        const auto part = name + "-" + std::to_string(at / most);
        seeds.push_back({"plain-" + part, plain});
        seeds.push_back({"wild-" + part, wild});
    }
}
std::string name_of(std::size_t shape, bool used) {
    return std::to_string(shape) + (used ? "-used" : "");
}

}  // namespace

std::vector<Seed> scsi_target_seeds() {
    std::vector<Seed> seeds;
    for (std::size_t shape = 0; shape < command_shapes.size(); ++shape) {
        for (const auto used : {false, true}) {
            const auto zones = disk(shape, used);
            Bytes begin(zones.begin(), zones.begin() + 2);
            append(begin, {used ? 1 : 0});  // the unit: reads past the pointer
            begin.insert(begin.end(), zones.begin() + 2, zones.end());
            // Every command in turn, with parameters that mostly succeed.
            std::vector<Bytes> steps;
            const auto add = [&](std::size_t command, int what) {
                // The step, the command, the position (the pointer or the zone's start), the length
                // (1 physical block, 1 zone, or most of a reply), the zone or page.
                append(steps.emplace_back(),
                       {0, static_cast<int>(command), 0, what > 3 ? 12 : 0x08, what, 0, 0});
                // The list for MODE SELECT unchanged; sufficient room, in one buffer.
                append(steps.back(), {0, 0, 0, 0});
            };
            const auto commands = test::target_commands();
            for (std::size_t i = 0; i < 2 * commands.size(); ++i)
                for (const int what : {3, 2, 0, 0x3F, 0x0A}) add(i % commands.size(), what);
            add_plain_and_wild(seeds, name_of(shape, used), begin, steps);
            // MODE SELECT sends what MODE SENSE returned.
            steps.clear();
            for (const auto opcode : {0x1A, 0x15, 0x5A, 0x55})
                for (const int what : {0x3F, 0x0A})
                    for (std::size_t i = 0; i < commands.size(); ++i)
                        if (commands[i].opcode == opcode) add(i, what);
            add_plain_and_wild(seeds, name_of(shape, used) + "-modes", begin, steps);
        }
    }
    return seeds;
}

std::vector<Seed> passthrough_plan_seeds() {
    std::vector<Seed> seeds;
    const auto table = zbc::all_commands();
    // Replies that are edited: the list of VPD pages, page B0h, and RSOC of all commands.
    Bytes pages, limits(68), opcodes;
    append(pages, {0x14, 0, 0, 6, 0x00, 0x80, 0x83, 0x89, 0xB1, 0xB6});
    limits[1] = 0xB0;
    limits[3] = 64;
    limits[10] = 0xFF;
    append(opcodes, {0, 0, 0, 36, 0x88, 0, 0, 0, 0, 0, 0, 16});
    append(opcodes, {0x9E, 0, 0, 0x18, 0, 0x03, 0, 16, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
    append(opcodes, {0x3B, 0, 0, 5, 0, 0x01, 0, 10});
    for (std::size_t i = 0; i < table.size(); ++i) {
        const auto& command = table[i];
        for (const auto facts : {0, 4, 8, 3}) {
            for (const auto allow : {0, 3, 5}) {
                Bytes bytes;
                append(bytes, {facts, allow, 0, static_cast<int>(i)});
                Bytes cdb(command.cdb_length);
                if (command.length.at != 0 && command.length.width != 0)
                    cdb[command.length.at + command.length.width - std::size_t{1}] = 96;
                const auto is_inquiry = command.opcode == 0x12;
                if (is_inquiry) cdb[1] = 1;  // EVPD
                if (is_inquiry && facts == 8) cdb[2] = 0xB0;
                bytes.insert(bytes.end(), cdb.begin(), cdb.end());
                append(bytes, {0});
                const auto& reply = !is_inquiry ? opcodes : facts == 8 ? limits : pages;
                bytes.insert(bytes.end(), reply.begin(), reply.end());
                seeds.push_back(
                    {std::to_string(i) + "-" + std::to_string(facts) + "-" + std::to_string(allow),
                     bytes});
            }
        }
    }
    return seeds;
}

std::vector<Seed> blk_request_seeds() {
    std::vector<Seed> seeds;
    for (std::size_t shape = 0; shape < command_shapes.size(); ++shape) {
        for (const auto used : {false, true}) {
            const auto zones = disk(shape, used);
            Bytes begin(zones.begin(), zones.begin() + 2);
            append(begin, {used ? 0x10 : 0});  // the mode
            begin.insert(begin.end(), zones.begin() + 2, zones.end());
            // Every type in turn, at zones of every kind, with whole and split buffers.
            std::vector<Bytes> steps;
            for (const int cuts : {0, 3, 0x95})
                for (int type = 0; type < 16; ++type)
                    for (const int zone : {0, 2, 4, 7})
                        append(steps.emplace_back(), {0, type, 0, 0x08, zone, 0, cuts, cuts});
            add_plain_and_wild(seeds, name_of(shape, used), begin, steps);
        }
    }
    return seeds;
}

std::vector<Seed> virtio_chain_seeds() {
    std::vector<Seed> seeds;
    for (int choice = 0; choice < 16; ++choice) {
        const auto scsi = choice % 2 == 0;
        const auto zones =
            disk(static_cast<std::size_t>(choice) % command_shapes.size(), choice >= 8);
        Bytes begin;
        append(begin, {choice});
        begin.insert(begin.end(), zones.begin(), zones.end());
        const auto types = scsi ? static_cast<int>(test::target_commands().size()) : 16;
        std::vector<Bytes> steps;
        for (int i = 0; i < 3 * types; ++i) {
            auto& plain = steps.emplace_back();
            append(plain, {0});
            if (scsi) append(plain, {i % 8 == 7 ? 13 : 0});
            // The request; the address (scsi); not truncated; layout, cuts, places, no corruption.
            if (scsi && i % 8 == 7)
                append(plain, {i});
            else if (scsi)
                append(plain, {i % types, 0, 0x08, 3, 0, 0, 0});
            else
                append(plain, {i % types, 0, 0x08, 3, 0});
            append(plain, {0, i, i % 4 == 3 ? 90 : 0, i * 7, 0});
        }
        add_plain_and_wild(seeds, std::to_string(choice), begin, steps);
    }
    return seeds;
}

}  // namespace zonebridge::fuzz
