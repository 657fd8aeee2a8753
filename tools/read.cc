// zonebridge read: data from a device to a file or standard output.
#include <algorithm>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "tools/disk_client.h"
#include "tools/files.h"
#include "tools/progress.h"
#include "tools/verb.h"

namespace zonebridge::tools {
namespace {

struct ReadOptions {
    DeviceArguments device;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::optional<std::string> output;
};

/// One request in flight.
struct ReadSlot {
    Buffer buffer;
    iovec vector{};
    std::uint64_t offset = 0;
    std::size_t length = 0;
    bool done = false;
    Status status;
};

constexpr std::size_t slot_count = 8;
constexpr std::uint64_t largest_read = std::uint64_t{1} << 20;

/// Reads [offset, end) in pieces, several at a time, and returns them in order.
class Reader {
  public:
    Reader(DiskClient& session, std::vector<ReadSlot>& slots, std::uint64_t offset,
           std::uint64_t end)
        : session_(session), slots_(slots), issue_at_(offset), end_(end) {}

    Outcome run(const File& output, Progress& progress) {
        std::uint64_t written = 0;
        for (;;) {
            if (auto filled = fill(); !filled) return filled;
            if (taken_ == issued_) return {};
            auto& slot = slots_[taken_ % slots_.size()];
            while (!slot.done)
                if (auto waited = wait(); !waited) return waited;
            if (!slot.status.ok())
                return tl::unexpected(failure_of(
                    slot.status,
                    fmt::format("{}: offset {} can't be read, after {} bytes that were read",
                                session_.device(), slot.offset, written)));
            const auto put =
                write_fully(output.fd(), output.name(), slot.buffer.bytes().first(slot.length));
            if (!put) return tl::unexpected(failure_of(put.error()));
            written += slot.length;
            progress.update(written);
            ++taken_;
        }
    }

  private:
    std::uint64_t piece_at(std::uint64_t offset) const {
        const auto& limits = session_.limits();
        auto piece = std::min<std::uint64_t>(slots_.front().buffer.bytes().size(), end_ - offset);
        if (!limits.reads_across_zones && limits.layout.zone_count() != 0) {
            const auto zone = limits.layout.zone_of(offset);
            const auto zone_end = limits.layout.start_of(zone) + limits.layout.length_of(zone);
            piece = std::min(piece, zone_end - offset);
        }
        return piece;
    }

    Outcome fill() {
        while (issue_at_ < end_ && issued_ - taken_ < slots_.size()) {
            auto& slot = slots_[issued_ % slots_.size()];
            slot.offset = issue_at_;
            slot.length = static_cast<std::size_t>(piece_at(issue_at_));
            slot.done = false;
            slot.vector = {slot.buffer.bytes().data(), slot.length};
            Request request;
            request.tag = issued_ % slots_.size();
            request.operation = Operation::read;
            request.offset = slot.offset;
            request.length = slot.length;
            request.data = {&slot.vector, 1};
            if (auto submitted = session_.submit(request); !submitted) return submitted;
            issue_at_ += slot.length;
            ++issued_;
        }
        return {};
    }

    Outcome wait() {
        const auto completion = session_.wait();
        if (!completion) return tl::unexpected(completion.error());
        auto& slot = slots_[completion->tag];
        slot.done = true;
        slot.status = completion->status;
        return {};
    }

    DiskClient& session_;
    std::vector<ReadSlot>& slots_;
    std::uint64_t issue_at_;
    std::uint64_t end_;
    std::uint64_t issued_ = 0;
    std::uint64_t taken_ = 0;
};

Outcome check_range(const ReadOptions& options, const DiskClient& session) {
    const auto block = session.limits().logical_block_size;
    const auto size = session.limits().size();
    if (options.offset % block != 0 || options.length % block != 0)
        return tl::unexpected(refusal(
            fmt::format("{}: {} {} is not a multiple of the disk's {}-byte blocks",
                        session.device(), options.offset % block != 0 ? "offset" : "length",
                        options.offset % block != 0 ? options.offset : options.length, block)));
    if (options.offset > size || options.length > size - options.offset)
        return tl::unexpected(
            refusal(fmt::format("{}: {} bytes at offset {} reach beyond the disk, which ends at {}",
                                session.device(), options.length, options.offset, size)));
    return {};
}

Outcome run(const ReadOptions& options) {
    std::vector<ReadSlot>
        slots;  // outlive the session: the kernel may still write to their buffers
    auto session = DiskClient::open(options.device, DiskClient::Access::read);
    if (!session) return tl::unexpected(std::move(session.error()));
    if (auto checked = check_range(options, *session); !checked) return checked;

    const auto block = session->limits().physical_block_size;
    auto piece = std::min(session->limits().max_transfer, largest_read) / block * block;
    if (piece == 0) piece = session->limits().logical_block_size;
    slots.resize(slot_count);
    for (auto& slot : slots) {
        auto buffer = Buffer::allocate(static_cast<std::size_t>(piece));
        if (!buffer) return tl::unexpected(refusal("not enough memory for the data's buffers"));
        slot.buffer = std::move(*buffer);
    }

    auto output = File::open(options.output, File::Mode::replace, session->file());
    if (!output) return tl::unexpected(failure_of(output.error()));
    {
        Progress progress("read", Progress::Unit::bytes, options.length);
        Reader reader(*session, slots, options.offset, options.offset + options.length);
        if (auto done = reader.run(*output, progress); !done) return done;
    }
    if (auto closed = output->close(); !closed) return tl::unexpected(failure_of(closed.error()));
    return session->close();
}

}  // namespace

Verb add_read(CLI::App& program) {
    auto options = std::make_shared<ReadOptions>();
    auto* app = add_verb(program, "read", "Copy data from a device to a file or standard output",
                         {"zonebridge read disk.img --offset 1G --length 4K | hexdump -C",
                          "zonebridge read disk.img --offset 256M --length 256M --output zone1"});
    add_device(*app, options->device, DiskClient::Access::read);
    require(add_size(*app, "--offset", options->offset, "Where to start, in bytes"));
    require(add_size(*app, "--length", options->length, "How much to read, in bytes"));
    add_path(*app, "--output", options->output,
             "The file to write; its old content is lost (default: standard output)");
    return {app, [options] { return run(*options); }};
}

}  // namespace zonebridge::tools
