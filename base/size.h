// Sizes as people write and read them: whole bytes, and K, M, G, T for powers of 1024.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace zonebridge {

inline constexpr std::uint64_t KiB = 1024;
inline constexpr std::uint64_t MiB = 1024 * KiB;
inline constexpr std::uint64_t GiB = 1024 * MiB;

/// Parses "4096", "256M", "1g": a whole number of bytes, or one followed by K, M, G or T (powers of
/// 1024) in either case. The error is part of a sentence that names `text` and the expected form.
[[nodiscard]] tl::expected<std::uint64_t, std::string> parse_size(std::string_view text);

/// The shortest text that parse_size turns back into exactly `bytes`: "256M", "4097".
[[nodiscard]] std::string exact_size(std::uint64_t bytes);

/// For reading, not for parsing back: "256 MiB", "1.5 GiB", "512 bytes".
[[nodiscard]] std::string readable_size(std::uint64_t bytes);

}  // namespace zonebridge
