#include "service/refusal_log.h"

#include <utility>

#include <fmt/format.h>

#include "base/thread.h"
#include "service/refusal_words.h"

namespace zonebridge::service {

class RefusalLog::Source final : public RefusalSink {
  public:
    Source(RefusalLog& explainer, std::string disk)
        : explainer_(explainer), disk_(std::move(disk)) {}

    void knows(const Limits& limits) override {
        const std::lock_guard lock(explainer_.lock_);
        limits_ = limits;
    }
    [[nodiscard]] bool wants() const noexcept override { return explainer_.wants(); }
    void refused(const Refusal& refusal) noexcept override { explainer_.add(*this, refusal); }

    /// Under the explainer's lock.
    [[nodiscard]] std::string sentence(const Refusal& refusal) const {
        auto text = explain_refusal(refusal, limits_ ? &*limits_ : nullptr);
        return disk_.empty() ? text : fmt::format("{}: {}", disk_, text);
    }

  private:
    RefusalLog& explainer_;
    const std::string disk_;
    std::optional<Limits> limits_;  // under the explainer's lock
};

RefusalLog::RefusalLog(Write write, Pace pace)
    : write_(std::move(write)), pace_(pace), tokens_(pace.at_once) {
    entries_.reserve(pace_.at_once);
    writing_.reserve(pace_.at_once);
    thread_ = start_thread("zb-explain", [this] { run(); });
}

RefusalLog::~RefusalLog() {
    {
        const std::lock_guard lock(lock_);
        ending_ = true;
    }
    news_.notify_one();
    thread_.join();
}

RefusalSink& RefusalLog::source(const std::string& disk) {
    const std::lock_guard lock(lock_);
    auto& source = sources_[disk];
    if (!source) source = std::make_unique<Source>(*this, disk);
    return *source;
}

void RefusalLog::rule_acts(const fault::Rule& rule) noexcept {
    {
        const std::lock_guard lock(lock_);
        notes_.push_back(fmt::format("fault on purpose: {} begins to act", rule.text));
    }
    news_.notify_one();
}

void RefusalLog::add(const Source& source, const Refusal& refusal) noexcept {
    auto tokens = tokens_.load(std::memory_order_relaxed);
    while (tokens != 0 &&
           !tokens_.compare_exchange_weak(tokens, tokens - 1, std::memory_order_relaxed))
        continue;
    if (tokens == 0) {
        // The thread reads this when it gives out the next token; it never sleeps for long while
        // tokens are missing.
        left_out_.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    {
        const std::lock_guard lock(lock_);
        entries_.push_back({&source, refusal});
    }
    news_.notify_one();
}

void RefusalLog::run() {
    std::unique_lock lock(lock_);
    auto next = std::chrono::steady_clock::now() + pace_.every;
    const auto is_news = [this] { return ending_ || !entries_.empty() || !notes_.empty(); };
    for (;;) {
        if (tokens_.load(std::memory_order_relaxed) == pace_.at_once) {
            news_.wait(lock, is_news);
            next = std::chrono::steady_clock::now() + pace_.every;
        } else {
            news_.wait_until(lock, next, is_news);
        }
        write_out(lock);
        if (ending_ && entries_.empty() && notes_.empty()) break;
        if (std::chrono::steady_clock::now() < next) continue;
        next = std::chrono::steady_clock::now() + pace_.every;
        lock.unlock();
        refill();
        lock.lock();
    }
    lock.unlock();
    refill();
}

void RefusalLog::refill() {
    // Report left-out lines before adding the token that admits the next line.
    if (const auto more = left_out_.exchange(0, std::memory_order_relaxed); more != 0)
        write_(fmt::format("refused or failed: {} more requests, which were not logged", more));
    auto tokens = tokens_.load(std::memory_order_relaxed);
    while (tokens != pace_.at_once &&
           !tokens_.compare_exchange_weak(tokens, tokens + 1, std::memory_order_relaxed))
        continue;
}

void RefusalLog::write_out(std::unique_lock<std::mutex>& lock) {
    std::vector<std::string> lines;
    lines.swap(notes_);
    writing_.swap(entries_);
    for (const auto& [source, refusal] : writing_) lines.push_back(source->sentence(refusal));
    writing_.clear();
    if (lines.empty()) return;
    lock.unlock();
    for (const auto& line : lines) write_(line);
    lock.lock();
}

}  // namespace zonebridge::service
