// A disk in memory under the fault layer, and a record of the rules that acted.
//
// Threads: one, except for the observer.
#pragma once

#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "layers/fault/fault.h"
#include "tests/unit/support/driver.h"
#include "tests/unit/support/hand_loop.h"
#include "tests/unit/support/machine_disk.h"

namespace zonebridge::test {

inline std::vector<fault::Rule> rules_of(const std::vector<std::string>& texts) {
    std::vector<fault::Rule> rules;
    for (const auto& text : texts) {
        auto rule = fault::parse_rule(text);
        if (!rule) throw std::runtime_error(rule.error());
        rules.push_back(std::move(*rule));
    }
    return rules;
}

class ActedRules final : public fault::Observer {
  public:
    void rule_acts(const fault::Rule& rule) noexcept override {
        const std::lock_guard lock(lock_);
        rules_.push_back(rule.text);
    }
    [[nodiscard]] std::vector<std::string> rules() {
        const std::lock_guard lock(lock_);
        return rules_;
    }

  private:
    std::mutex lock_;
    std::vector<std::string> rules_;
};

struct Faulty {
    explicit Faulty(const std::vector<std::string>& texts, const MachineDiskShape& shape = {}) {
        auto below = std::make_unique<MachineDisk>(shape);
        disk = below.get();
        auto made = fault::inject(std::move(below), rules_of(texts), &acted);
        if (!made) throw std::runtime_error(made.error().message);
        transport = std::move(*made);
        driver =
            std::make_unique<Driver>(std::move(*transport->open_queue(loop, {.depth = 16})), loop);
    }

    static constexpr std::uint64_t zone_size = 64 << 10;
    static constexpr std::uint64_t block = 4096;
    static std::uint64_t at(std::uint32_t zone) { return zone * zone_size; }
    StatusCode write(std::uint64_t offset, std::uint64_t length = block) {
        return driver->write(offset, pattern(offset, length)).code;
    }
    StatusCode read(std::uint64_t offset, std::uint64_t length = block) {
        Bytes into(length);
        return driver->try_read(offset, into).code;
    }
    Completion act(Operation operation, std::uint32_t first, std::uint32_t count = 1) {
        return driver->act(operation, at(first), count * zone_size);
    }
    Zone zone(std::uint32_t number) { return driver->report(1, at(number)).at(0); }

    MachineDisk* disk;
    ActedRules acted;
    HandLoop loop;
    std::unique_ptr<Transport> transport;
    std::unique_ptr<Driver> driver;
};

}  // namespace zonebridge::test
