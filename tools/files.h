// Files and streams for the verbs: whole writes, complete reads, the first error is kept.
//
// Ownership: File closes the descriptor it opened, and leaves standard streams open. Output and
// Input borrow theirs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <tl/expected.hpp>

#include "zone/status.h"

namespace zonebridge::tools {

/// An open file descriptor and its name for messages.
class File {
  public:
    enum class Mode { read, replace };

    /// Opens `path`; without it, standard input (Mode::read) or output (Mode::replace).
    /// Mode::replace creates the file or empties it. Refuses `not_this`, the disk itself, before
    /// changing it.
    [[nodiscard]] static tl::expected<File, Error> open(const std::optional<std::string>& path,
                                                        Mode mode, const std::string& not_this);
    File(File&& other) noexcept;
    File& operator=(File&&) = delete;
    ~File();

    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// Closes the descriptor unless it is a standard stream.
    [[nodiscard]] tl::expected<void, Error> close();
    /// Bytes from a regular file's position to its end; nothing for other files.
    [[nodiscard]] std::optional<std::uint64_t> remaining() const;

  private:
    File(int fd, std::string name, bool owned);
    int fd_;
    std::string name_;
    bool owned_;
};

/// Fills `buffer` as far as there is input; fewer bytes mean the end of the input.
[[nodiscard]] tl::expected<std::size_t, Error> read_fully(const File& file,
                                                          std::span<std::byte> buffer);
[[nodiscard]] tl::expected<void, Error> write_fully(int fd, std::string_view name,
                                                    std::span<const std::byte> data);

/// Buffered text for a file descriptor. Keeps the first error and drops all later text.
class Output {
  public:
    explicit Output(int fd, std::string name = "standard output");

    void write(std::string_view text);
    template <typename... Args>
    void print(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(buffer_), format, std::forward<Args>(args)...);
        if (buffer_.size() >= spill_at) spill();
    }
    [[nodiscard]] bool failed() const noexcept { return error_.has_value(); }
    /// Passes all text to the kernel; returns the first error.
    [[nodiscard]] tl::expected<void, Error> flush();

  private:
    static constexpr std::size_t spill_at = std::size_t{64} << 10;
    void spill();

    int fd_;
    std::string name_;
    std::string buffer_;
    std::optional<Error> error_;
};

/// Page-aligned zeroed memory for requests.
class Buffer {
  public:
    Buffer() = default;
    /// Nothing if there is no memory.
    [[nodiscard]] static std::optional<Buffer> allocate(std::size_t size);
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {memory_.get(), size_}; }

  private:
    struct Release {
        void operator()(std::byte* memory) const noexcept;
    };
    std::unique_ptr<std::byte, Release> memory_;
    std::size_t size_ = 0;
};

/// Makes sure that descriptors 0, 1 and 2 are in use, so that no disk is ever opened as one of them
/// and overwritten by a message; and makes a closed reader of the output an error, not a signal.
/// Call it first.
void guard_standard_streams() noexcept;

}  // namespace zonebridge::tools
