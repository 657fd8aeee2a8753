// The server under test, which is started, killed and started again with the same arguments.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/cli/program.h"

namespace zonebridge::kills {

class Server {
  public:
    Server(std::vector<std::string> arguments, std::string log)
        : arguments_(std::move(arguments)), log_(std::move(log)) {}

    /// Starts it without waiting for it.
    void launch() {
        running_ = std::make_unique<test::Background>(arguments_, std::vector<std::string>{}, log_);
    }
    /// Starts it and waits until it is ready. It may refuse to start a few times, because what the
    /// last one held is not free yet; this is counted.
    void start();
    /// Sends SIGKILL.
    void kill() { running_.reset(); }
    [[nodiscard]] int stop() { return running_->stop(); }

    /// What it printed when it became ready.
    [[nodiscard]] const std::string& output() const noexcept { return output_; }
    [[nodiscard]] std::uint64_t refused_starts() const noexcept { return refused_starts_; }

  private:
    std::vector<std::string> arguments_;
    std::string log_;
    std::string output_;
    std::uint64_t refused_starts_ = 0;
    std::unique_ptr<test::Background> running_;
};

}  // namespace zonebridge::kills
