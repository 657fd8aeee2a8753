// zonebridge append: data from a file or standard input to where a zone's write pointer is.
#include <algorithm>
#include <cstring>
#include <memory>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/disk_client.h"
#include "tools/files.h"
#include "tools/pieces.h"
#include "tools/progress.h"
#include "tools/verb.h"

namespace zonebridge::tools {
namespace {

struct AppendOptions {
    DeviceArguments device;
    std::uint32_t zone = 0;
    std::optional<std::string> input;
    bool single = false;
    bool json = false;
};

/// Reports where each piece was written, at once: as a line, or as an element of a JSON document.
class Landings {
  public:
    Landings(const AppendOptions& options, Output& out) : options_(options), out_(out) {}

    void begin() {
        if (!options_.json) return;
        const auto device = nlohmann::json(options_.device.name)
                                .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        out_.print("{{\"device\": {}, \"zone\": {}, \"pieces\": [", device, options_.zone);
    }
    void add(std::uint64_t offset, std::uint64_t length) {
        if (options_.json)
            out_.print("{}\n{{\"offset\": {}, \"length\": {}}}", pieces_ ? "," : "", offset,
                       length);
        else
            out_.print("{}\n", offset);
        ++pieces_;
        bytes_ += length;
    }
    void end() {
        if (options_.json) out_.write("\n]}\n");
    }

    [[nodiscard]] std::string so_far() const {
        if (pieces_ == 0) return "; nothing was appended";
        return fmt::format("; {} bytes were appended in {} piece{}", bytes_, pieces_,
                           pieces_ == 1 ? "" : "s");
    }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

  private:
    const AppendOptions& options_;
    Output& out_;
    std::uint64_t pieces_ = 0;
    std::uint64_t bytes_ = 0;
};

/// A buffer that grows with its input, up to a limit.
class Input {
  public:
    /// Reads up to `limit` bytes. Fewer mean that the input ended.
    tl::expected<std::span<std::byte>, Failure> read(const File& file, std::uint64_t limit) {
        constexpr std::size_t first_size = std::size_t{1} << 20;
        std::size_t filled = 0;
        for (;;) {
            const auto size = buffer_.bytes().size();
            if (filled == size) {
                const auto larger = std::min<std::uint64_t>(limit, size ? size * 2 : first_size);
                if (auto grown = grow(static_cast<std::size_t>(larger), filled); !grown)
                    return tl::unexpected(std::move(grown.error()));
            }
            const auto end = std::min<std::uint64_t>(limit, buffer_.bytes().size());
            const auto part =
                buffer_.bytes().subspan(filled, static_cast<std::size_t>(end - filled));
            const auto got = read_fully(file, part);
            if (!got) return tl::unexpected(failure_of(got.error()));
            filled += *got;
            if (*got < part.size() || filled == limit) return buffer_.bytes().first(filled);
        }
    }

  private:
    Outcome grow(std::size_t size, std::size_t keep) {
        auto larger = Buffer::allocate(size);
        if (!larger) return tl::unexpected(refusal("not enough memory for the data's buffer"));
        if (keep > 0) std::memcpy(larger->bytes().data(), buffer_.bytes().data(), keep);
        buffer_ = std::move(*larger);
        return {};
    }

    Buffer buffer_;
};

/// Finds errors before a byte is written.
Outcome check(const AppendOptions& options, DiskClient& session, const File& input) {
    const auto& limits = session.limits();
    const auto& layout = limits.layout;
    const auto refuse = [&session](std::string why) {
        return tl::unexpected(
            refusal(fmt::format("{}: {}; nothing was appended", session.device(), std::move(why))));
    };
    const auto start = layout.start_of(options.zone);
    const auto length = input.remaining();
    if (!length || *length == 0) return {};
    const auto block = granularity_at(limits, start);
    if (*length % block != 0)
        return refuse(fmt::format(
            "{} has {} bytes, which is not a whole number of {}-byte blocks: {} bytes are too many",
            input.name(), *length, block, *length % block));
    if (options.single && *length > limits.max_append)
        return refuse(
            fmt::format("{} has {} bytes, but one append takes {} at most; without --single, "
                        "several appends take it",
                        input.name(), *length, limits.max_append));
    Zone zone;
    const auto reported = session.report(start, {&zone, 1});
    if (!reported) return tl::unexpected(reported.error());
    if (*reported == 1 && zone.write_pointer &&
        *length > zone.start + zone.capacity - *zone.write_pointer)
        return refuse(fmt::format("{} has {} bytes, but zone {} has room for only {}", input.name(),
                                  *length, options.zone,
                                  zone.start + zone.capacity - *zone.write_pointer));
    return {};
}

Outcome append_piece(DiskClient& session, std::uint64_t start, std::span<std::byte> data,
                     Landings& landings) {
    const iovec vector{data.data(), data.size()};
    Request request;
    request.operation = Operation::append;
    request.offset = start;
    request.length = data.size();
    request.data = {&vector, 1};
    const auto completion = session.run(request);
    if (!completion) return tl::unexpected(completion.error());
    if (!completion->status.ok()) {
        auto failure = failure_of(
            completion->status,
            fmt::format("{}: a piece of {} bytes was refused", session.device(), data.size()));
        failure.message += situation_at(session, start) + landings.so_far();
        return tl::unexpected(std::move(failure));
    }
    landings.add(completion->result, data.size());
    return {};
}

Outcome append_all(const AppendOptions& options, DiskClient& session, const File& file,
                   Input& input, Landings& landings, Output& out) {
    const auto& limits = session.limits();
    const auto start = limits.layout.start_of(options.zone);
    const auto block = granularity_at(limits, start);
    const auto largest = limits.max_append / block * block;
    const auto stopped = [&](std::string why) {
        return tl::unexpected(
            refusal(fmt::format("{}: {}{}", session.device(), std::move(why), landings.so_far())));
    };

    Progress progress("append", Progress::Unit::bytes, file.remaining().value_or(0));
    for (;;) {
        // With --single read one byte more, to see whether the input is too long.
        const auto data = input.read(file, options.single ? largest + 1 : largest);
        if (!data) return stopped(data.error().message);
        if (options.single && data->size() > largest)
            return stopped(
                fmt::format("{} has more than {} bytes, but one append takes no more; without "
                            "--single, several appends take it",
                            file.name(), largest));
        const auto rest = data->size() % block;
        const auto whole = data->first(data->size() - rest);
        // With --single append all or nothing.
        if (!whole.empty() && !(options.single && rest != 0))
            if (auto done = append_piece(session, start, whole, landings); !done) return done;
        if (rest != 0)
            return stopped(fmt::format(
                "the input's last {} bytes were not appended: they do not fill a {}-byte block",
                rest, block));
        if (!options.json) (void)out.flush();
        if (out.failed()) return {};
        progress.update(landings.bytes());
        if (data->size() < largest || options.single) return {};
    }
}

Outcome run(const AppendOptions& options) {
    Input input;  // outlives the session: the kernel may still read its buffer
    auto session = DiskClient::open(options.device, DiskClient::Access::write);
    if (!session) return tl::unexpected(std::move(session.error()));
    const auto& limits = session->limits();
    Selection selection;
    selection.zones = ZoneRange{options.zone, options.zone};
    if (const auto target = resolve(selection, limits.layout, options.device.name); !target)
        return tl::unexpected(target.error());
    if (limits.append == Support::absent || limits.max_append < limits.physical_block_size)
        return tl::unexpected(
            refusal(fmt::format("{}: this disk has no zone append; use 'zonebridge write' at the "
                                "zone's write pointer instead",
                                options.device.name)));
    if (limits.layout.is_conventional(options.zone))
        return tl::unexpected(
            refusal(fmt::format("{}: zone {} is conventional and has no write pointer to append "
                                "at; use 'zonebridge write' instead",
                                options.device.name, options.zone)));
    const auto file = File::open(options.input, File::Mode::read, session->file());
    if (!file) return tl::unexpected(failure_of(file.error()));
    if (auto checked = check(options, *session, *file); !checked) return checked;

    Output out(STDOUT_FILENO);
    Landings landings(options, out);
    landings.begin();
    const auto done = append_all(options, *session, *file, input, landings, out);
    // Data written before a failure is flushed and, line by line, reported as well.
    const auto flushed = session->flush();
    if (!done) {
        if (!options.json) (void)out.flush();
        return done;
    }
    if (!flushed) return flushed;
    landings.end();
    if (auto closed = session->close(); !closed) return closed;
    if (const auto told = out.flush(); !told)
        return tl::unexpected(refusal(fmt::format(
            "{}: {}{}", options.device.name, failure_of(told.error()).message, landings.so_far())));
    return {};
}

}  // namespace

Verb add_append(CLI::App& program) {
    auto options = std::make_shared<AppendOptions>();
    auto* app =
        add_verb(program, "append", "Append data from a file or standard input to a zone",
                 {"zonebridge append disk.img --zone 5 --input record",
                  "head -c 64K /dev/urandom | zonebridge append disk.img --zone 5 --single"});
    add_device(*app, options->device, DiskClient::Access::write);
    require(add_parsed(*app, "--zone", "N", "The zone's number",
                       [options](const std::string& text) -> std::optional<std::string> {
                           const auto number = parse_number(text);
                           if (!number) return number.error();
                           if (*number > UINT32_MAX) return fmt::format("'{}' is too large", text);
                           options->zone = static_cast<std::uint32_t>(*number);
                           return std::nullopt;
                       }));
    add_path(*app, "--input", options->input, "The file to read (default: standard input)");
    add_flag(*app, "--single", options->single,
             "Refuse data that does not fit one append, instead of splitting it");
    add_flag(*app, "--json", options->json,
             "Print where each piece was written as one JSON document");
    return {app, [options] { return run(*options); }};
}

}  // namespace zonebridge::tools
