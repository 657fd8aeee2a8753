#include <fmt/format.h>

#include "tests/kills/front.h"
#include "tests/kills/rings.h"
#include "tests/served/lasting.h"

namespace zonebridge::kills {
namespace {

namespace blk = driver::blk;
using test::must;

constexpr std::uint64_t sector = 512;
constexpr std::uint8_t conventional = 1;
constexpr std::uint8_t full = 14;

class BlkFront final : public Front {
  public:
    BlkFront(std::string socket, std::uint16_t queues)
        : socket_(std::move(socket)),
          guest_(socket_, test::lasting(blk::f_zoned | blk::f_flush | blk::f_mq),
                 {.queues = queues, .max_transfer = longest_request, .depth = most_in_flight + 1}),
          rings_(queues_of(guest_, queues)) {}

    bool has_appends() const override { return true; }

    std::uint64_t add(const Request& request) override {
        driver::BlkRequest sent{.sector = request.offset / sector, .data_out = request.data};
        switch (request.kind) {
            case Kind::read:
                sent.data_in_length = request.length;
                break;
            case Kind::write:
                sent.type = blk::out;
                break;
            case Kind::append:
                sent.type = blk::append;
                sent.tail = blk::append_tail_linux;
                break;
            case Kind::reset:
                sent.type = blk::reset;
                break;
            case Kind::finish:
                sent.type = blk::finish;
                break;
            case Kind::flush:
                sent.type = blk::flush;
                break;
        }
        const auto id = must(guest_.blk->add(sent, rings_.next()));
        if (request.kind == Kind::append) appends_.push_back(id);
        return id;
    }
    void submit() override { rings_.submit(); }

    std::optional<Answer> take(bool wait) override {
        const auto ring = rings_.answered(wait);
        if (!ring) return std::nullopt;
        auto result = must(guest_.blk->wait(*ring));
        Answer answer{.id = result.id,
                      .place = result.append_sector * sector,
                      .data = std::move(result.data),
                      .text = fmt::format("status {}", result.status)};
        const auto append = std::erase(appends_, result.id) != 0;
        if (result.ok())
            answer.how = Answer::How::done;
        else if (append && result.status == blk::io_error)
            answer.how = Answer::How::unplaced;
        return answer;
    }

    std::vector<Zone> zones(std::uint64_t start, std::size_t count) override {
        constexpr std::size_t header = 64;
        constexpr std::size_t descriptor = 64;
        std::vector<Zone> all;
        for (const auto& one : must(guest_.blk->report(
                 start / sector, static_cast<std::uint32_t>(header + count * descriptor))))
            all.push_back({.start = one.start * sector,
                           .capacity = one.capacity * sector,
                           .pointer = one.write_pointer * sector,
                           .conventional = one.type == conventional,
                           .full = one.state == full});
        rings_.skip();
        return all;
    }

    void resume() override { guest_.resume(socket_); }

  private:
    static std::vector<driver::Queue*> queues_of(test::BlkGuest& guest, std::uint16_t queues) {
        std::vector<driver::Queue*> all;
        for (std::uint16_t i = 0; i < queues; ++i) all.push_back(&guest.blk->queue(i));
        return all;
    }

    std::string socket_;
    test::BlkGuest guest_;
    Rings rings_;
    std::vector<std::uint64_t> appends_;  // in flight
};

}  // namespace

std::unique_ptr<Front> blk_front(const std::string& socket, std::uint16_t queues) {
    return std::make_unique<BlkFront>(socket, queues);
}

}  // namespace zonebridge::kills
