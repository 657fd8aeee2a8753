#include "layers/fault/fault.h"

#include <utility>

#include <fmt/format.h>

#include "layers/fault/queue.h"
#include "layers/fault/rules.h"

namespace zonebridge::fault {
namespace {

class FaultyDisk final : public Transport {
  public:
    FaultyDisk(std::unique_ptr<Transport> disk, std::vector<Rule> rules, Observer* observer)
        : disk_(std::move(disk)), rules_(std::move(rules), disk_->limits(), observer) {}

    [[nodiscard]] const Limits& limits() const noexcept override { return disk_->limits(); }
    [[nodiscard]] const Identity& identity() const noexcept override { return disk_->identity(); }
    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override {
        return FaultyQueue::open(loop, *disk_, rules_, options);
    }
    std::uint64_t look_at_size() override { return disk_->look_at_size(); }
    [[nodiscard]] tl::expected<void, Error> close() override { return disk_->close(); }

  private:
    std::unique_ptr<Transport> disk_;
    Rules rules_;
};

}  // namespace

tl::expected<std::unique_ptr<Transport>, Error> inject(std::unique_ptr<Transport> disk,
                                                       std::vector<Rule> rules,
                                                       Observer* observer) {
    if (rules.empty()) return disk;
    for (const auto& rule : rules)
        if (const auto wrong = find_fault(rule, disk->limits()))
            return tl::unexpected(Error{StatusCode::invalid_request,
                                        fmt::format("{}: the fault {} can never act: {}",
                                                    disk->identity().path, rule.text, *wrong),
                                        {}});
    return std::make_unique<FaultyDisk>(std::move(disk), std::move(rules), observer);
}

}  // namespace zonebridge::fault
