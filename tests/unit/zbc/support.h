// Shared by the tests of zbc/: bytes from hex, and sense data as text.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "tests/unit/support/machine_disk.h"
#include "tests/unit/support/target_commands.h"
#include "zbc/cdb.h"
#include "zbc/sense.h"

namespace zonebridge::zbc::test {

using zonebridge::test::MachineDisk;
using zonebridge::test::MachineDiskShape;
using zonebridge::test::target_commands;

using Bytes = std::vector<std::uint8_t>;

/// Parses "12 00 ff"; "00*8" repeats a byte.
inline Bytes hex(std::string_view text) {
    Bytes bytes;
    std::string word;
    const auto take = [&] {
        if (word.empty()) return;
        const auto star = word.find('*');
        const auto count = star == std::string::npos ? 1 : std::stoul(word.substr(star + 1));
        bytes.insert(bytes.end(), count,
                     static_cast<std::uint8_t>(std::stoul(word.substr(0, 2), nullptr, 16)));
        word.clear();
    };
    for (const char c : text) {
        if (c == ' ' || c == '\n')
            take();
        else
            word += c;
    }
    take();
    return bytes;
}

inline std::string to_hex(std::span<const std::uint8_t> bytes) {
    std::string text;
    for (const auto byte : bytes) text += fmt::format("{:02x} ", byte);
    return text;
}

/// Sense key, ASC and ASCQ, such as "5/21/04"; "good" if there is no sense.
inline std::string words(const std::optional<Sense>& sense) {
    if (!sense) return "good";
    return fmt::format("{:X}/{:02X}/{:02X}", static_cast<unsigned>(sense->key), sense->asc,
                       sense->ascq);
}

}  // namespace zonebridge::zbc::test
