// zonebridge write: data from a file or standard input to a device.
#include <algorithm>
#include <array>
#include <memory>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/size.h"
#include "tools/disk_client.h"
#include "tools/files.h"
#include "tools/pieces.h"
#include "tools/progress.h"
#include "tools/verb.h"

namespace zonebridge::tools {
namespace {

struct WriteOptions {
    DeviceArguments device;
    std::uint64_t offset = 0;
    std::optional<std::string> input;
    bool json = false;
};

constexpr std::uint64_t largest_piece = std::uint64_t{4} << 20;

/// Writes the input piece by piece, with one in flight while the next is read: a sequential zone
/// takes its writes one after another. No piece crosses a zone's end or capacity.
class Writer {
  public:
    Writer(DiskClient& session, std::array<Buffer, 2>& buffers, std::uint64_t offset)
        : session_(session), buffers_(buffers), start_(offset), position_(offset) {}

    [[nodiscard]] std::uint64_t written() const noexcept { return written_; }

    Outcome run(const File& input, Progress& progress) {
        for (bool more = true; more;) {
            auto& buffer = buffers_[turn_ % buffers_.size()];
            const auto room = room_at(session_.layout(), position_);
            if (room == 0) {
                if (auto settled = settle(); !settled) return settled;
                return end_without_room(input);
            }
            const auto want =
                static_cast<std::size_t>(std::min<std::uint64_t>(room, buffer.bytes().size()));
            const auto got = read_fully(input, buffer.bytes().first(want));
            if (auto settled = settle(); !settled) return settled;
            progress.update(written_);
            if (!got) return stopped(failure_of(got.error()).message);
            more = *got == want;

            // Only whole blocks are written; a partial last block is refused, not padded.
            const auto rest = *got % granularity_at(session_.limits(), position_);
            if (auto issued = issue(buffer, *got - rest); !issued) return issued;
            if (rest == 0) continue;
            if (auto settled = settle(); !settled) return settled;
            return stopped(fmt::format(
                "the input's last {} bytes were not written: they do not fill a {}-byte block",
                rest, granularity_at(session_.limits(), position_)));
        }
        return settle();
    }

  private:
    Outcome issue(const Buffer& buffer, std::size_t length) {
        if (length == 0) return {};
        vector_ = {buffer.bytes().data(), length};
        Request request;
        request.operation = Operation::write;
        request.offset = position_;
        request.length = length;
        request.data = {&vector_, 1};
        if (auto submitted = session_.submit(request); !submitted) return submitted;
        on_its_way_ = length;
        position_ += length;
        ++turn_;
        return {};
    }

    /// Waits for the piece in flight.
    Outcome settle() {
        if (on_its_way_ == 0) return {};
        const auto completion = session_.wait();
        if (!completion) return tl::unexpected(completion.error());
        const auto length = std::exchange(on_its_way_, 0);
        if (completion->status.ok()) {
            written_ += length;
            return {};
        }
        const auto at = start_ + written_;
        auto failure = failure_of(
            completion->status,
            fmt::format("{}: {} bytes at offset {} were refused", session_.device(), length, at));
        failure.message += situation_at(session_, at);
        if (written_ > 0) failure.message += so_far();
        return tl::unexpected(std::move(failure));
    }

    /// No more can be written here: no error if the input ends as well.
    Outcome end_without_room(const File& input) {
        std::byte probe{};
        const auto more = read_fully(input, {&probe, 1});
        if (!more) return stopped(failure_of(more.error()).message);
        if (*more == 0) return {};
        return stopped(no_room_at(session_.layout(), position_) + ", but the input has more data");
    }

    Outcome stopped(std::string_view why) const {
        return tl::unexpected(refusal(fmt::format("{}: {}{}", session_.device(), why, so_far())));
    }

    std::string so_far() const {
        if (written_ == 0) return "; nothing was written";
        return fmt::format("; {} bytes were written, from offset {} to {}", written_, start_,
                           start_ + written_);
    }

    DiskClient& session_;
    std::array<Buffer, 2>& buffers_;
    iovec vector_{};
    std::uint64_t start_;
    std::uint64_t position_;  // where the next piece goes
    std::uint64_t written_ = 0;
    std::size_t on_its_way_ = 0;
    std::size_t turn_ = 0;
};

/// Finds errors before a byte is written.
Outcome check(const WriteOptions& options, const DiskClient& session, const File& input) {
    const auto& limits = session.limits();
    const auto refuse = [&session](std::string why) {
        return tl::unexpected(
            refusal(fmt::format("{}: {}; nothing was written", session.device(), std::move(why))));
    };
    if (options.offset > limits.size())
        return refuse(fmt::format("offset {} is beyond the disk, which ends at {}", options.offset,
                                  limits.size()));
    const auto block = granularity_at(limits, options.offset);
    if (options.offset % block != 0)
        return refuse(fmt::format(
            "offset {} is not a multiple of the {}-byte blocks that can be written there",
            options.offset, block));
    const auto length = input.remaining();
    if (!length) return {};
    if (*length > limits.size() - options.offset)
        return refuse(fmt::format("{} has {} bytes, but from offset {} the disk has only {}",
                                  input.name(), *length, options.offset,
                                  limits.size() - options.offset));
    if (*length == 0) return {};
    const auto last_block = granularity_at(limits, options.offset + *length - 1);
    if (*length % last_block != 0)
        return refuse(fmt::format(
            "{} has {} bytes, which is not a whole number of {}-byte blocks: {} bytes are too many",
            input.name(), *length, last_block, *length % last_block));
    return {};
}

Outcome run(const WriteOptions& options) {
    std::array<Buffer, 2> buffers;  // outlive the session: the kernel may still read them
    auto session = DiskClient::open(options.device, DiskClient::Access::write);
    if (!session) return tl::unexpected(std::move(session.error()));
    const auto input = File::open(options.input, File::Mode::read, session->file());
    if (!input) return tl::unexpected(failure_of(input.error()));
    if (auto checked = check(options, *session, *input); !checked) return checked;

    const auto& limits = session->limits();
    auto piece = std::min(limits.max_transfer, largest_piece);
    piece =
        std::max<std::uint64_t>(piece / limits.physical_block_size, 1) * limits.physical_block_size;
    for (auto& buffer : buffers) {
        auto allocated = Buffer::allocate(static_cast<std::size_t>(piece));
        if (!allocated) return tl::unexpected(refusal("not enough memory for the data's buffers"));
        buffer = std::move(*allocated);
    }

    Writer writer(*session, buffers, options.offset);
    Outcome done;
    {
        Progress progress("write", Progress::Unit::bytes, input->remaining().value_or(0));
        done = writer.run(*input, progress);
    }
    // Data written before a failure is flushed as well.
    const auto flushed = session->flush();
    if (!done) return done;
    if (!flushed) return flushed;
    if (auto closed = session->close(); !closed) return closed;

    Output out(STDOUT_FILENO);
    if (options.json) {
        nlohmann::ordered_json document;
        document["device"] = options.device.name;
        document["offset"] = options.offset;
        document["length"] = writer.written();
        out.print("{}\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    } else {
        out.print("{}: wrote {} bytes ({}) from offset {} to {}, flushed\n",
                  one_line(options.device.name), writer.written(), readable_size(writer.written()),
                  options.offset, options.offset + writer.written());
    }
    if (const auto told = out.flush(); !told)
        return tl::unexpected(
            refusal(fmt::format("{}: all data was written, but the result could not be printed: {}",
                                options.device.name, failure_of(told.error()).message)));
    return {};
}

}  // namespace

Verb add_write(CLI::App& program) {
    auto options = std::make_shared<WriteOptions>();
    auto* app = add_verb(program, "write", "Copy data from a file or standard input to a device",
                         {"zonebridge write disk.img --offset 1G --input image",
                          "head -c 1M /dev/urandom | zonebridge write disk.img --offset 1G"});
    add_device(*app, options->device, DiskClient::Access::write);
    require(add_size(*app, "--offset", options->offset,
                     "Where to start, in bytes; in a sequential zone, its write pointer"));
    add_path(*app, "--input", options->input, "The file to read (default: standard input)");
    add_flag(*app, "--json", options->json, "Print the result as one JSON document");
    return {app, [options] { return run(*options); }};
}

}  // namespace zonebridge::tools
