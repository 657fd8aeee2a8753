// What serve says of requests that were refused or failed, and of faults made on purpose: sentences
// in the log, as many as a person can read, written by a thread of its own, since whoever reads our
// log may be slow and the workers must not wait for it.
//
// Threads: any. What a worker calls takes a lock for a few instructions, and only if there is a
// sentence to write.
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

class Explainer final : public fault::Witness {
  public:
    struct Pace {
        std::uint32_t at_once = 10;             ///< Sentences that may come together.
        std::chrono::milliseconds every{1000};  ///< After so long, one more.
    };
    using Write = std::function<void(const std::string& line)>;

    /// `write`: called by the thread alone.
    explicit Explainer(Write write) : Explainer(std::move(write), Pace()) {}
    Explainer(Write write, Pace pace);
    Explainer(const Explainer&) = delete;
    Explainer& operator=(const Explainer&) = delete;
    /// Writes what is left, and how much was left out.
    ~Explainer();

    /// Where a disk's refusals go; `disk` is how sentences name it, empty if there is no other.
    /// The same source for the same name.
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
    std::vector<Entry> entries_;      // under lock_; never more than tokens were given out
    std::vector<std::string> notes_;  // under lock_; one a rule
    std::map<std::string, std::unique_ptr<Source>> sources_;  // under lock_
    bool ending_ = false;                                     // under lock_

    std::vector<Entry> writing_;  // the thread's
    std::thread thread_;          // last: it uses all of the above
};

}  // namespace zonebridge::service
