#include <fmt/format.h>

#include "tests/kills/front.h"
#include "tests/kills/rings.h"
#include "tests/served/lasting.h"

namespace zonebridge::kills {
namespace {

using test::must;

constexpr std::uint8_t conventional = 1;
constexpr std::uint8_t sequential = 2;
constexpr std::uint8_t full = 0xE;
constexpr std::uint32_t unit_attention = 6;

class ScsiFront final : public Front {
  public:
    ScsiFront(std::string socket, std::uint16_t queues)
        : socket_(std::move(socket)),
          guest_(socket_,
                 {.request_queues = queues,
                  .max_transfer = longest_request,
                  .depth = most_in_flight + 1},
                 test::lasting(0)),
          rings_(queues_of(guest_, queues)) {
        take_attentions();
        block_ = must(guest_.scsi->read_capacity()).block_size;
        rings_.skip();
    }

    bool has_appends() const override { return false; }

    std::uint64_t add(const Request& request) override {
        const auto lba = request.offset / block_;
        driver::ScsiCommand command;
        command.data_out = request.data;
        switch (request.kind) {
            case Kind::read:
                command.cdb = driver::cdb16(0x88, 0, lba,
                                            static_cast<std::uint32_t>(request.length / block_));
                command.data_in_length = request.length;
                break;
            case Kind::write:
                command.cdb = driver::cdb16(
                    0x8A, 0, lba, static_cast<std::uint32_t>(request.data.size() / block_));
                break;
            case Kind::reset:
                command.cdb = driver::cdb16(0x94, 4, lba, 0);
                break;
            case Kind::finish:
                command.cdb = driver::cdb16(0x94, 2, lba, 0);
                break;
            case Kind::flush:
                command.cdb = driver::cdb16(0x91, 0, 0, 0);
                break;
            case Kind::append:
                throw std::logic_error("SCSI has no append");
        }
        return must(guest_.scsi->add(command, rings_.next()));
    }
    void submit() override { rings_.submit(); }

    std::optional<Answer> take(bool wait) override {
        const auto ring = rings_.answered(wait);
        if (!ring) return std::nullopt;
        auto result = must(guest_.scsi->wait(*ring));
        Answer answer{.id = result.id, .data = std::move(result.data), .text = result.text()};
        if (result.good())
            answer.how = Answer::How::done;
        else if (result.sense_code() >> 16 == unit_attention)
            answer.how = Answer::How::again;
        return answer;
    }

    std::vector<Zone> zones(std::uint64_t start, std::size_t count) override {
        constexpr std::size_t header = 64;
        constexpr std::size_t descriptor = 64;
        take_attentions();
        // Between the zones there may be gaps, which are reported as zones of a type of their own.
        const auto room = static_cast<std::uint32_t>(header + 2 * count * descriptor);
        std::vector<Zone> all;
        for (const auto& one : must(guest_.scsi->report_zones(start / block_, 0, true, room)).zones)
            if (all.size() < count && (one.type == conventional || one.type == sequential))
                all.push_back({.start = one.start * block_,
                               .capacity = one.length * block_,
                               .pointer = one.write_pointer * block_,
                               .conventional = one.type == conventional,
                               .full = one.condition == full});
        rings_.skip();
        return all;
    }

    void resume() override { guest_.resume(socket_); }

  private:
    void take_attentions() {
        constexpr int most = 10;
        for (int i = 0; i < most; ++i) {
            const auto result = must(guest_.scsi->test_unit_ready());
            if (result.good()) return;
            if (result.sense_code() >> 16 != unit_attention)
                throw std::runtime_error("TEST UNIT READY: " + result.text());
        }
        throw std::runtime_error("one unit attention follows another");
    }
    static std::vector<driver::Queue*> queues_of(test::Guest& guest, std::uint16_t queues) {
        std::vector<driver::Queue*> all;
        for (std::uint16_t i = 0; i < queues; ++i) all.push_back(&guest.scsi->request(i));
        return all;
    }

    std::string socket_;
    test::Guest guest_;
    Rings rings_;
    std::uint64_t block_ = 0;
};

}  // namespace

std::unique_ptr<Front> scsi_front(const std::string& socket, std::uint16_t queues) {
    return std::make_unique<ScsiFront>(socket, queues);
}

}  // namespace zonebridge::kills
