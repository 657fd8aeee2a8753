// Sizes as people write and read them: whole bytes, with K, M, G, T for powers of 1024.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace zonebridge {

/// "4096", "256M", "1g": whole numbers, in bytes or followed by one of K, M, G, T (1024 and its
/// powers) in either case. The error is a sentence part that names `text` and what was expected.
[[nodiscard]] tl::expected<std::uint64_t, std::string> parse_size(std::string_view text);

/// The shortest text that parse_size turns back into exactly `bytes`: "256M", "4097".
[[nodiscard]] std::string exact_size(std::uint64_t bytes);

/// For reading, not for parsing back: "256 MiB", "1.5 GiB", "512 bytes".
[[nodiscard]] std::string readable_size(std::uint64_t bytes);

}  // namespace zonebridge
