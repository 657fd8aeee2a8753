// An emulated disk, served by the real program, and a test front end on its socket: the whole path
// without a guest.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/cli/program.h"
#include "tests/driver/front_end.h"
#include "tests/driver/scsi.h"
#include "tests/driver/shared_memory.h"

namespace zonebridge::test {

/// The value, or an exception that fails the test with the error's text.
template <typename T>
T must(driver::Result<T> result) {
    if (!result) throw std::runtime_error(result.error());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class ServedDisk {
  public:
    static constexpr std::uint32_t block = 512;
    static constexpr std::uint64_t zone_blocks = 8192;  // 4 MiB
    static constexpr std::uint32_t first_sequential = 2;

    enum class Log : bool { shown, kept };

    explicit ServedDisk(std::vector<std::string> extra = {}, std::string device = "scsi",
                        const std::vector<std::string>& model = {}, Log log = Log::shown)
        : disk(shape(model)),
          extra_(std::move(extra)),
          device_(std::move(device)),
          keeps_log_(log == Log::kept) {
        start();
    }

    void start() {
        std::vector<std::string> arguments{"serve",    disk.path(), "--virtio",  device_,
                                           "--socket", socket(),    "--sandbox", "require"};
        arguments.insert(arguments.end(), extra_.begin(), extra_.end());
        server_ = std::make_unique<Background>(arguments, std::vector<std::string>{},
                                               keeps_log_ ? disk / "log" : std::string());
        const auto output = server_->output_until("ready:");
        if (output.find("ready:") == std::string::npos)
            throw std::runtime_error("no server: " + output);
    }
    /// The program's further arguments, from the next start() on.
    void set_options(std::vector<std::string> extra) { extra_ = std::move(extra); }
    /// Sends SIGTERM; returns the exit status.
    int stop() { return server_->stop(); }
    [[nodiscard]] int process() const noexcept { return server_->process(); }
    /// Sends SIGKILL.
    void kill() { server_.reset(); }

    [[nodiscard]] std::string socket() const { return disk / "socket"; }
    /// The server's standard error, with Log::kept and after the server has ended.
    [[nodiscard]] std::string log() const { return read_file(disk / "log"); }
    static std::uint64_t lba(std::uint32_t zone) { return zone * zone_blocks; }

    Disk disk;

  private:
    static std::vector<std::string> shape(const std::vector<std::string>& model) {
        if (!model.empty()) return model;
        return {"--size", "64M", "--zone-size", "4M", "--conventional", "2", "--max-open", "8"};
    }

    std::vector<std::string> extra_;
    std::string device_;
    bool keeps_log_;
    std::unique_ptr<Background> server_;
};

/// The zone of most tests, and the length of most writes.
inline constexpr std::uint32_t zone = ServedDisk::first_sequential;
inline constexpr std::size_t piece = 16384;
inline constexpr std::uint32_t piece_blocks = piece / ServedDisk::block;

/// Possibly more workers than CPUs; queue i runs on worker i mod 4.
inline std::vector<std::string> four_workers() {
    return {"--queues", "8", "--workers", "4"};
}

/// One front end's session, negotiated and running.
class Guest {
  public:
    explicit Guest(const ServedDisk& served, driver::ScsiOptions options = {},
                   driver::Wanted wanted = everything())
        : Guest(served.socket(), options, wanted) {}
    explicit Guest(const std::string& socket, driver::ScsiOptions options = {},
                   driver::Wanted wanted = everything())
        : front_end(must(driver::Connection::to(socket))) {
        const auto size = (driver::ScsiInitiator::memory_needed(options) + 0x3FFFFF) & ~0x1FFFFFull;
        must(memory.add(0, size));
        must(front_end.negotiate(wanted));
        must(front_end.share(memory));
        must(front_end.keep_record(static_cast<std::uint16_t>(2 + options.request_queues),
                                   options.ring.size));
        scsi.emplace(must(driver::ScsiInitiator::start(front_end, memory, options)));
        // The first command of a new initiator gets the unit attention of power on.
        const auto first = must(scsi->test_unit_ready());
        attention = first.sense_code();
    }

    static driver::Wanted everything() {
        return {.features = driver::bit::version_1 | driver::bit::protocol_features |
                            driver::bit::event_index | driver::bit::indirect,
                .protocol_features = driver::bit::p_mq | driver::bit::p_reply_ack |
                                     driver::bit::p_config | driver::bit::p_backend_req |
                                     driver::bit::p_mem_slots};
    }

    /// Goes on with the next server.
    void resume(const ServedDisk& served) { resume(served.socket()); }
    void resume(const std::string& socket) {
        must(front_end.resume(must(driver::Connection::to(socket)), memory));
    }

    /// Queues a WRITE(16) without submitting it.
    std::uint64_t queue_write(std::uint64_t lba, std::span<const std::byte> data,
                              std::uint16_t queue = 0) {
        const auto blocks = static_cast<std::uint32_t>(data.size() / ServedDisk::block);
        const auto cdb = driver::cdb16(0x8A, 0, lba, blocks);
        return must(scsi->add({.cdb = cdb, .data_out = data}, queue));
    }

    /// Submits `count` consecutive writes of `size` bytes each from `lba` on to queue 0: the n-th
    /// has bytes_of(size, n).
    void submit_writes(std::uint64_t lba, std::uint32_t count, std::size_t size);

    /// The write pointer, as an LBA, that REPORT ZONES gives for zone `number`.
    std::uint64_t pointer(std::uint32_t number) {
        return must(scsi->report_zones(ServedDisk::lba(number))).zones.at(0).write_pointer;
    }

    driver::SharedMemory memory;
    driver::FrontEnd front_end;
    std::optional<driver::ScsiInitiator> scsi;
    std::uint32_t attention = 0;
    std::uint64_t last_write = 0;  ///< The tag of submit_writes' last command.
};

inline std::vector<std::byte> bytes_of(std::size_t size, std::uint32_t seed) {
    const auto text = pattern(size, seed);
    std::vector<std::byte> bytes(size);
    std::transform(text.begin(), text.end(), bytes.begin(),
                   [](char character) { return static_cast<std::byte>(character); });
    return bytes;
}

inline void Guest::submit_writes(std::uint64_t lba, std::uint32_t count, std::size_t size) {
    for (std::uint32_t i = 0; i < count; ++i)
        last_write = queue_write(lba + i * size / ServedDisk::block, bytes_of(size, i));
    scsi->submit();
}

}  // namespace zonebridge::test
