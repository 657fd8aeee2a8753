// Writes serve's log lines about refused and failed requests and about injected faults, at a
// limited rate. A thread of its own writes them, because the reader of the log may be slow and the
// workers must not wait for it.
//
// Threads: any. The functions that workers call take a lock for a few instructions, and only when
// there is a line to write.
// Ownership: owns its thread and its sources, which live as long as it does.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "layers/fault/fault.h"
#include "zone/limits.h"
#include "zone/refusal.h"

namespace zonebridge::service {

class RefusalLog final : public fault::Observer {
  public:
    struct Pace {
        std::uint32_t at_once = 10;             ///< Lines that may come together.
        std::chrono::milliseconds every{1000};  ///< One more line after this time.
    };
    using Write = std::function<void(const std::string& line)>;

    /// `write`: called on the thread only.
    explicit RefusalLog(Write write) : RefusalLog(std::move(write), Pace()) {}
    RefusalLog(Write write, Pace pace);
    RefusalLog(const RefusalLog&) = delete;
    RefusalLog& operator=(const RefusalLog&) = delete;
    /// Writes the remaining lines, and how many were left out.
    ~RefusalLog();

    /// The sink for a disk's refusals; `disk` names the disk in the lines, empty if there is only
    /// one. The same name gets the same sink.
    [[nodiscard]] RefusalSink& source(const std::string& disk);

    void rule_acts(const fault::Rule& rule) noexcept override;

  private:
    class Source;
    struct Entry {
        const Source* source = nullptr;
        Refusal refusal;
    };

    [[nodiscard]] bool wants() const noexcept {
        return tokens_.load(std::memory_order_relaxed) != 0;
    }
    void add(const Source& source, const Refusal& refusal) noexcept;
    void run();
    void refill();
    void write_out(std::unique_lock<std::mutex>& lock);

    const Write write_;
    const Pace pace_;
    std::atomic<std::uint32_t> tokens_;
    std::atomic<std::uint64_t> left_out_ = 0;

    std::mutex lock_;
    std::condition_variable news_;
    std::vector<Entry> entries_;      // under lock_; never more than the tokens given out
    std::vector<std::string> notes_;  // under lock_; one for each rule
    std::map<std::string, std::unique_ptr<Source>> sources_;  // under lock_
    bool ending_ = false;                                     // under lock_

    std::vector<Entry> writing_;  // belongs to the thread
    std::thread thread_;          // last: it uses all of the above
};

}  // namespace zonebridge::service
