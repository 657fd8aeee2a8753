// The answers in several rings of one driver. Each ring's answers are counted, so that a look at a
// ring's index tells whether there is one.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <vector>

#include "tests/driver/front_end.h"

namespace zonebridge::kills {

class Rings {
  public:
    explicit Rings(std::vector<driver::Queue*> queues)
        : queues_(std::move(queues)), rings_(queues_.size()) {
        skip();
    }

    /// The ring for the next request, which is added there.
    [[nodiscard]] std::uint16_t next() {
        turn_ = (turn_ + 1) % rings_.size();
        ++rings_[turn_].in_flight;
        return static_cast<std::uint16_t>(turn_);
    }
    /// A ring with an answer; with `wait`, a ring that gets one.
    [[nodiscard]] std::optional<std::uint16_t> answered(bool wait) {
        for (std::size_t i = 0; i < rings_.size(); ++i)
            if (queues_[i]->ring.used_index() != rings_[i].taken) return take(i);
        if (!wait) return std::nullopt;
        for (std::size_t i = 0; i < rings_.size(); ++i)
            if (rings_[i].in_flight != 0) return take(i);
        throw std::logic_error("waits for an answer without a request");
    }
    /// The driver has run requests of its own, and taken their answers.
    void skip() {
        for (std::size_t i = 0; i < rings_.size(); ++i)
            rings_[i].taken = queues_[i]->ring.used_index();
    }
    void submit() {
        for (auto* const queue : queues_) queue->submit();
    }

  private:
    struct Counted {
        std::uint16_t taken = 0;
        unsigned in_flight = 0;
    };

    std::uint16_t take(std::size_t number) {
        ++rings_[number].taken;
        --rings_[number].in_flight;
        return static_cast<std::uint16_t>(number);
    }

    std::vector<driver::Queue*> queues_;
    std::vector<Counted> rings_;
    std::size_t turn_ = 0;
};

}  // namespace zonebridge::kills
