// Serves a disk with the real program, kills the server again and again under a workload, and prints
// one line with what was counted. tests/guest/kills.sh runs this on the devices of the lab.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <regex>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "tests/kills/server.h"
#include "tests/kills/workload.h"

namespace zonebridge::kills {

void Server::start() {
    constexpr int most = 50;
    for (int i = 0; i < most; ++i) {
        launch();
        output_ = running_->output_until("ready:");
        if (output_.find("ready:") != std::string::npos) return;
        ++refused_starts_;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    throw std::runtime_error("the server does not start: " + output_);
}

namespace {

constexpr const char* usage =
    "usage: kill_servers [OPTION...] DEVICE [SERVE-OPTION...]\n"
    "\n"
    "Serves DEVICE, whose data it destroys, with `zonebridge serve`, and kills the server while\n"
    "requests are in flight. $ZONEBRIDGE names the program. The exit status is 0 if nothing was\n"
    "lost or doubled, and no request failed that may not.\n"
    "\n"
    "  --front-end blk|scsi|vduse  by vhost-user with a driver in this program, or by VDUSE with\n"
    "                              the driver of this machine's kernel (default blk)\n"
    "  --kills N                   (default 20)\n"
    "  --seed N                    of the random choices (default 1)\n"
    "  --label TEXT                the name in the line of results (default DEVICE)\n"
    "  --log FILE                  append the servers' messages to FILE\n"
    "  --table FILE                append the line of results to FILE\n";

struct Settings {
    std::string front_end = "blk";
    std::string label;
    std::string log = "/dev/null";
    std::string table;
    std::uint64_t kills = 20;
    std::uint64_t seed = 1;
    std::vector<std::string> served;  // DEVICE [SERVE-OPTION...]
};

Settings parse(std::vector<std::string> words) {
    Settings settings;
    std::size_t i = 0;
    for (; i + 1 < words.size() && words[i].starts_with("--"); i += 2) {
        const auto& value = words[i + 1];
        if (words[i] == "--front-end")
            settings.front_end = value;
        else if (words[i] == "--kills")
            settings.kills = std::stoull(value);
        else if (words[i] == "--seed")
            settings.seed = std::stoull(value);
        else if (words[i] == "--label")
            settings.label = value;
        else if (words[i] == "--log")
            settings.log = value;
        else if (words[i] == "--table")
            settings.table = value;
        else
            throw std::invalid_argument("there is no option " + words[i]);
    }
    settings.served.assign(words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
    if (settings.served.empty()) throw std::invalid_argument("no device");
    if (settings.label.empty()) settings.label = settings.served[0];
    return settings;
}

constexpr std::uint16_t queues = 4;

std::vector<std::string> arguments_of(const Settings& settings, const std::string& socket) {
    std::vector<std::string> all{"serve", "--sandbox", "require", "--queues",
                                 std::to_string(queues)};
    if (settings.front_end == "vduse")
        all.insert(all.end(), {"--vduse", fmt::format("kills{}", ::getpid())});
    else
        all.insert(all.end(), {"--virtio", settings.front_end, "--socket", socket});
    all.insert(all.end(), settings.served.begin(), settings.served.end());
    return all;
}

std::unique_ptr<Front> front_of(const Settings& settings, const std::string& socket,
                                const std::string& output) {
    if (settings.front_end == "blk") return blk_front(socket, queues);
    if (settings.front_end == "scsi") return scsi_front(socket, queues);
    std::smatch found;
    if (!std::regex_search(output, found, std::regex("ready: .* at (/dev/[a-z]+)")))
        throw std::runtime_error("the server names no block device: " + output);
    return kernel_front(found[1]);
}

class Kills {
  public:
    explicit Kills(const Settings& settings)
        : settings_(settings),
          random_(settings.seed),
          server_(arguments_of(settings, socket()), settings.log) {
        server_.start();
        front_ = front_of(settings, socket(), server_.output());
    }

    /// True if the disk has what was answered.
    bool run() {
        while (kills_ < settings_.kills) live();
        report();
        front_.reset();
        const auto status = server_.stop();
        if (status != 0) fmt::print("  error: the last server ended with status {}\n", status);
        return status == 0 && workload_->counts().good() && workload_->counts().interrupted != 0;
    }
    /// Ends this program. A call of the kernel's driver may wait for ever, so nothing is waited for.
    [[noreturn]] void give_up(const std::string& why) {
        fmt::print("  error: {}: after {} kills: {}\n", settings_.label, kills_, why);
        if (workload_) report();
        server_.kill();
        std::_Exit(1);
    }

  private:
    [[nodiscard]] std::string socket() const { return folder_ / "socket"; }
    void live() {
        if (!workload_) workload_.emplace(*front_, settings_.seed);
        workload_->run_for(some(250));
        kill();
        workload_->interrupt();
        // Sometimes the next one is killed, too: while it starts, or while it judges.
        while (kills_ < settings_.kills && random_() % 4 == 0) {
            if (random_() % 2 == 0) {
                server_.launch();
                std::this_thread::sleep_for(some(400));
            } else {
                server_.start();
                front_->resume();
                std::this_thread::sleep_for(some(20));
            }
            kill();
        }
        server_.start();
        front_->resume();
        workload_->settle();
        workload_->check(kills_ % 8 == 0 || kills_ >= settings_.kills);
    }
    void kill() {
        server_.kill();
        ++kills_;
    }
    std::chrono::microseconds some(std::uint64_t most_milliseconds) {
        return std::chrono::microseconds(random_() % (most_milliseconds * 1000));
    }
    void report() const {
        const auto& counts = workload_->counts();
        const auto line = fmt::format(
            "{}: {} kills, {} answered, {} interrupted, {} lost, {} doubled, {} errors, {} appends "
            "answered with an error, {} starts refused\n",
            settings_.label, kills_, counts.answered, counts.interrupted, counts.lost,
            counts.doubled, counts.errors, counts.unplaced, server_.refused_starts());
        fmt::print("{}", line);
        std::fflush(stdout);
        if (!settings_.table.empty()) std::ofstream(settings_.table, std::ios::app) << line;
    }

    const Settings& settings_;
    const test::TemporaryFolder folder_;
    std::mt19937_64 random_;
    Server server_;
    std::unique_ptr<Front> front_;
    std::optional<Workload> workload_;
    std::uint64_t kills_ = 0;
};

int run(const std::vector<std::string>& words) {
    if (words.size() == 1 && words[0] == "--help") {
        std::fputs(usage, stdout);
        return 0;
    }
    Settings settings;
    try {
        settings = parse(words);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "kill_servers: %s\n", error.what());
        return 2;
    }
    std::unique_ptr<Kills> kills;
    try {
        kills = std::make_unique<Kills>(settings);
        return kills->run() ? 0 : 1;
    } catch (const std::exception& error) {
        if (kills) kills->give_up(error.what());
        fmt::print("  error: {}: {}\n", settings.label, error.what());
        return 1;
    }
}

}  // namespace
}  // namespace zonebridge::kills

int main(int argc, char** argv) {
    return zonebridge::kills::run(std::vector<std::string>(argv + 1, argv + argc));
}
