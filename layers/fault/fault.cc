#include "layers/fault/fault.h"

#include <utility>

#include <fmt/format.h>

#include "layers/fault/queue.h"
#include "layers/fault/rules.h"
#include "layers/layer.h"

namespace zonebridge::fault {
namespace {

class FaultyDisk final : public Layer {
  public:
    FaultyDisk(std::unique_ptr<Transport> disk, std::vector<Rule> rules, Observer* observer)
        : Layer(std::move(disk)), rules_(std::move(rules), limits(), observer) {}

    [[nodiscard]] tl::expected<std::unique_ptr<Queue>, Error> open_queue(
        Loop& loop, QueueOptions options) override {
        return FaultyQueue::open(loop, below(), rules_, options);
    }

  private:
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
