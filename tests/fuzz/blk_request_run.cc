// Runs virtio-blk requests, mostly valid ones, against the device over a disk in memory, by a valid
// ring. Checks the responses and the disk against a plain model.
//
// Input: two bytes choose the disk, one byte the device's mode, one byte for each zone its state.
// Then come steps, each a byte and its parameters: a batch of requests, or an event of the disk.
#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include "base/bytes.h"
#include "tests/driver/ring.h"
#include "tests/fuzz/blk_requests.h"
#include "tests/fuzz/disk_oracle.h"
#include "tests/fuzz/guest.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/targets.h"
#include "tests/unit/support/hand_loop.h"
#include "virtio-blk/config.h"
#include "virtio-blk/device.h"

namespace zonebridge::fuzz {
namespace {

namespace blk = driver::blk;
using Bytes = std::vector<std::uint8_t>;

constexpr std::uint8_t canary = 0xC5;
constexpr driver::RingOptions ring_options{
    .size = 16, .event_index = true, .indirect_entries = 20, .first_index = 0xFFF8};

struct InFlight {
    BlkRequest request;
    driver::Block out;
    driver::Block in;  // the reply, then the status
    std::size_t out_pieces = 0;
    std::size_t in_pieces = 0;
    std::uint16_t head = 0;
    bool fault_waits = false;
    bool answered = false;

    [[nodiscard]] std::uint8_t status() const {
        return static_cast<std::uint8_t>(in.host[in.size - 1]);
    }
    [[nodiscard]] std::span<const std::uint8_t> reply() const {
        return {reinterpret_cast<const std::uint8_t*>(in.host), in.size - 1};
    }
};

class Session {
  public:
    explicit Session(Input& input)
        : input_(input),
          shape_(some_shape(input)),
          disk_(shape_, first_bytes(shape_)),
          oracle_(shape_) {
        disk_.deepest = ring_options.size;
        guest_.begin();
        ring_.emplace(guest_.shared, ring_options);
        for (const auto* part : {&ring_->descriptors(), &ring_->available(), &ring_->used()})
            guest_.open(part->address, part->size);
        // The indirect tables lie behind the ring.
        const auto& used = ring_->used();
        guest_.open(used.address, used.size + 16 + 16 * 20 * ring_options.size);
        const auto made = input.byte();
        mode_.zoned = shape_.model != Model::none && made % 8 != 7;
        mode_.write_through = (made & 0x10) != 0;
        mode_.discard = mode_.write_zeroes = shape_.max_clear != 0;
        oracle_.begin(disk_, input);
        const auto config = virtio_blk::make_config(disk_.limits(), 1);
        max_append_ = config.max_append_sectors * sector_size;
        device_ = std::move(virtio_blk::BlockDevice::open(
                                loop_, disk_, {.id = "ZB-0001", .max_append = max_append_})
                                .value());
        device_->set_mode(mode_);
        auto queue = virtio::VirtQueue::create(
            *guest_.memory, {.size = ring_options.size,
                             .addresses = {ring_->descriptors_address(), ring_->available_address(),
                                           ring_->used_address()},
                             .base = ring_options.first_index,
                             .features = virtio::feature::version_1 | virtio::feature::event_index |
                                         virtio::feature::indirect_descriptors,
                             .inflight = nullptr,
                             .index = 0});
        if (!queue) throw std::runtime_error(queue.error());
        queue_.emplace(std::move(*queue));
        device_->attach(0, *queue_);
    }
    ~Session() {
        device_->detach(0);
        give_back(disk_);
    }

    Tally run() {
        for (int steps = 0; !input_.empty() && steps < most_steps; ++steps) step();
        return tally_;
    }

  private:
    void step() {
        const auto kind = input_.byte();
        switch (kind % 16) {
            case 11:
                oracle_.spoil(disk_, kind / 16 % 8,
                              (kind & 0x80) != 0 ? ZoneState::offline : ZoneState::read_only);
                return;
            case 12:
                fail_ = static_cast<StatusCode>(kind / 16 + 1);
                return;
            case 13:
            case 14:
                disk_.take_at_most = kind / 16;
                disk_.reverse = (kind & 0x80) != 0;
                return batch(4);
            case 15:
                disk_.hold = true;
                return batch(8);
            default:
                return batch(kind % 16 < 8 ? 1 : 3);
        }
    }

    void batch(std::size_t count) {
        std::vector<InFlight> requests;
        while (requests.size() < count && (requests.empty() || !input_.empty())) {
            if (!room_for_more()) break;
            requests.push_back(add());
            const auto type = requests.back().request.type;
            // These send several requests to the disk, between which later requests could run.
            if (type == blk::discard || type == blk::write_zeroes || type == blk::report) break;
        }
        if (requests.empty()) throw std::runtime_error("no memory for one request");
        if (fail_ && requests.size() == 1) {
            const auto type = requests[0].request.type;
            if (type == blk::in || type == blk::out || type == blk::append) {
                disk_.fail_next = fail_;
                requests[0].fault_waits = true;
            }
            fail_.reset();
        }
        static_cast<void>(ring_->publish());
        carry_out(requests);
        disk_.fail_next.reset();
        for (const auto& one : requests) judge(one);
        oracle_.require_same(disk_);
        room_ = 0;
    }

    /// Buffers lie one after the other in the second region; each batch starts at its beginning.
    [[nodiscard]] bool room_for_more() const { return room_ + (140 << 10) <= Guest::region_size; }
    driver::Block place(std::size_t size, std::uint8_t fill) {
        const auto& region = guest_.shared.regions()[1];
        const driver::Block block{region.guest_address + room_, region.host + room_, size};
        std::memset(block.host, fill, size);
        guest_.open(block.address, size);
        room_ += (size + 23) / 8 * 8;  // the gap is not open to the device
        return block;
    }

    InFlight add() {
        InFlight one;
        one.request = some_blk_request(input_, oracle_, ++stamps_);
        const auto out_cut = input_.byte();
        const auto in_cut = input_.byte();
        const auto readable = one.request.readable();
        one.out = place(readable.size(), 0);
        std::memcpy(one.out.host, readable.data(), readable.size());
        one.in = place(one.request.in_length + 1, canary);
        std::vector<driver::Buffer> chain;
        cut(chain, one.out, false, out_cut);
        one.out_pieces = chain.size();
        cut(chain, one.in, true, in_cut);
        one.in_pieces = chain.size() - one.out_pieces;
        const auto head = ring_->add(chain);
        if (!head) throw std::runtime_error("the ring is full");
        one.head = *head;
        return one;
    }
    /// Splits into at most eight pieces, so that a chain always fits its table.
    static void cut(std::vector<driver::Buffer>& chain, const driver::Block& block, bool writes,
                    std::uint8_t how) {
        const auto first = chain.size();
        for (std::size_t at = 0; at < block.size;) {
            auto size = block.size - at;
            if (!writes && at == 0 && how % 4 != 3)
                size = std::min<std::size_t>(size, 16);
            else if (how >= 0x40 && chain.size() - first < 7)
                size = std::min<std::size_t>(size, (how >> 2) * std::size_t{13});
            else if (writes && how % 2 == 0 && size > 1 && chain.size() - first < 7)
                --size;  // the status in a buffer of its own
            chain.push_back({block.address + at, static_cast<std::uint32_t>(size), writes});
            at += size;
        }
    }

    void carry_out(std::vector<InFlight>& requests) {
        std::size_t answered = 0;
        auto waits = 0;
        static_cast<void>(device_->take(0));
        require(!device_->fault());
        while (answered < requests.size()) {
            require(waits < 1000);
            device_->complete();
            require(queue_->in_flight() == device_->in_flight(0));
            static_cast<void>(queue_->publish());
            auto any = false;
            while (const auto used = ring_->take_used()) {
                const auto found = std::find_if(
                    requests.begin(), requests.end(),
                    [&](const auto& one) { return one.head == used->head && !one.answered; });
                require(found != requests.end());  // completed once
                found->answered = any = true;
                require(used->length == found->in.size);
                ++answered;
            }
            if (any) continue;
            if (++waits == 2) {
                disk_.hold = false;
                disk_.take_at_most = std::numeric_limits<std::size_t>::max();
                disk_.reverse = false;
                loop_.note_ready();
            }
            require(loop_.ready() || waits == 1 || disk_.take_at_most == 0);
            static_cast<void>(loop_.turn(Loop::Wait::poll));
        }
        disk_.hold = false;
        disk_.take_at_most = std::numeric_limits<std::size_t>::max();
        disk_.reverse = false;
        require(queue_->in_flight() == 0 && device_->in_flight(0) == 0);
        require(ring_->in_flight() == 0);
    }

    void judge(const InFlight& one) {
        const auto& request = one.request;
        const auto status = one.status();
        require(status <= blk::active_resource);
        const auto sent = request.readable();
        require(std::memcmp(one.out.host, sent.data(), sent.size()) == 0);
        tally_.note(one.reply());
        const auto ok = status == blk::ok;
        if (request.type < 256) ++(ok ? tally_.good : tally_.refused)[request.type];
        const auto answers = request.type == blk::in || request.type == blk::report ||
                             (ok && (request.type == blk::append || request.type == blk::get_id));
        if (!answers)
            require(std::all_of(one.reply().begin(), one.reply().end(),
                                [](auto byte) { return byte == canary; }));
        const auto offset = byte_of_sector(request.sector);
        switch (request.type) {
            case blk::in:
                return judge_read(one, offset, ok);
            case blk::out:
                return judge_write(one, offset, ok);
            case blk::append:
                return judge_append(one, offset, ok);
            case blk::report:
                if (ok) judge_report(one, offset);
                return;
            case blk::discard:
            case blk::write_zeroes:
                return judge_clear(request, ok);
            case blk::open:
                return judge_action(one, Operation::open, offset, ok);
            case blk::close:
                return judge_action(one, Operation::close, offset, ok);
            case blk::finish:
                return judge_action(one, Operation::finish, offset, ok);
            case blk::reset:
                return judge_action(one, Operation::reset, offset, ok);
            case blk::reset_all:
                require(ok == (mode_.zoned && !shape_.read_only));
                if (ok) require(oracle_.act_all(Operation::reset) == StatusCode::ok);
                return;
            case blk::flush:
                return require(ok != blind());
            case blk::get_id:
                return require(ok && (one.reply().empty() || one.reply()[0] == 'Z'));
            default:
                return require(status == blk::unsupported);
        }
    }

    /// Whether the disk is host-managed and its driver does not use zones.
    [[nodiscard]] bool blind() const { return shape_.model == Model::host_managed && !mode_.zoned; }
    [[nodiscard]] bool fits(std::uint64_t length, std::size_t pieces) const {
        return length != 0 && length <= shape_.max_transfer && pieces <= shape_.max_segments &&
               length % shape_.logical_block_size == 0;
    }

    void judge_read(const InFlight& one, std::uint64_t offset, bool ok) {
        const auto length = one.request.in_length;
        if (!ok)
            return require(blind() || one.fault_waits || !fits(length, one.in_pieces) ||
                           offset % shape_.logical_block_size != 0 ||
                           !oracle_.is_plain_read(offset, length) ||
                           oracle_.judge_read(offset, length) != StatusCode::ok);
        require(!blind() && !one.fault_waits && length != 0);
        require(oracle_.judge_read(offset, length) == StatusCode::ok);
        const auto expected = oracle_.read(offset, length);
        require(std::equal(expected.begin(), expected.end(), one.reply().begin()));
    }

    void judge_write(const InFlight& one, std::uint64_t offset, bool ok) {
        const auto& data = one.request.out;
        const auto length = data.size();
        const auto allowed = !shape_.read_only && !blind() && length != 0 &&
                             oracle_.judge_write(offset, length) == StatusCode::ok;
        if (!ok) return require(one.fault_waits || !fits(length, one.out_pieces) || !allowed);
        require(allowed && !one.fault_waits);
        oracle_.write(offset, data);
    }

    void judge_append(const InFlight& one, std::uint64_t offset, bool ok) {
        const auto& data = one.request.out;
        const auto length = data.size();
        const auto possible =
            mode_.zoned && !shape_.read_only && max_append_ != 0 && length != 0 &&
            length <= max_append_ && offset < oracle_.size() && one.request.in_length >= 8 &&
            oracle_.zone_at(offset).start == offset && !oracle_.zone_at(offset).conventional;
        if (!possible) return require(!ok);
        const auto& zone = oracle_.zone_at(offset);
        const auto at = zone.start + zone.written;
        const auto allowed = length <= zone.capacity - zone.written &&
                             oracle_.judge_write(at, length) == StatusCode::ok;
        if (!ok)
            return require(one.fault_waits || !fits(length, one.out_pieces) || !allowed ||
                           !oracle_.is_required(zone));
        const auto went = ByteView(one.reply()).le64(0) * sector_size;
        require(allowed && !one.fault_waits && went == at);
        oracle_.write(at, data);
    }

    void judge_action(const InFlight&, Operation operation, std::uint64_t offset, bool ok) {
        const auto possible = mode_.zoned && !shape_.read_only && offset < oracle_.size() &&
                              oracle_.zone_at(offset).start == offset &&
                              !oracle_.zone_at(offset).conventional;
        if (!possible) return require(!ok);
        const auto zone =
            static_cast<std::size_t>(&oracle_.zone_at(offset) - oracle_.zones().data());
        require(ok == (oracle_.act(operation, zone) == StatusCode::ok));
    }

    void judge_clear(const BlkRequest& request, bool ok) {
        const auto discards = request.type == blk::discard;
        if (!ok && shape_.max_clear == 0) return;
        require(!ok || (shape_.max_clear != 0 && !shape_.read_only));
        const auto ranges = ranges_of(request);
        require(!ok || !ranges.empty());
        for (const auto& range : ranges)
            if (!possible(range, discards)) return require(!ok);
        if (request.out.size() % 16 != 0 || ranges.empty() || shape_.read_only) return require(!ok);
        // One range after the other, up to the first that the zones do not allow.
        for (const auto& range : ranges) {
            if (discards) {
                oracle_.discard(range.offset, range.length);
                continue;
            }
            if (oracle_.judge_write(range.offset, range.length) != StatusCode::ok)
                return require(!ok);
            oracle_.write(range.offset, Bytes(range.length));
        }
        // A request with too many ranges is refused before its first range.
        require(ok);
    }
    [[nodiscard]] bool possible(const ClearRange& range, bool discards) const {
        if (range.length == 0 || range.length > shape_.max_clear ||
            !oracle_.on_disk(range.offset, range.length) ||
            (range.offset | range.length) % shape_.logical_block_size != 0 ||
            range.flags > (discards ? 0U : 1U))
            return false;
        if (discards) return true;
        const auto code = oracle_.judge_write(range.offset, range.length);
        return code != StatusCode::crosses_boundary;
    }

    void judge_report(const InFlight& one, std::uint64_t offset) {
        require(mode_.zoned && offset < oracle_.size() && one.request.in_length >= 128);
        const auto reply = one.reply();
        const auto count = ByteView(reply).le64(0);
        const auto first =
            static_cast<std::size_t>(&oracle_.zone_at(offset) - oracle_.zones().data());
        const auto room = reply.size() / 64 - 1;
        require(count == std::min(room, oracle_.zones().size() - first));
        for (std::size_t i = 0; i < count; ++i) {
            const auto& zone = oracle_.zones()[first + i];
            const auto at = 64 + i * 64;
            require(ByteView(reply).le64(at) == zone.capacity / sector_size);
            require(ByteView(reply).le64(at + 8) == zone.start / sector_size);
            if (const auto pointer = DiskOracle::pointer_of(zone))
                require(ByteView(reply).le64(at + 16) == *pointer / sector_size);
            require(reply[at + 25] == static_cast<std::uint8_t>(zone.state));
        }
        const auto end = 64 + count * 64;
        require(std::all_of(reply.begin() + static_cast<std::ptrdiff_t>(end), reply.end(),
                            [](auto byte) { return byte == canary; }));
    }

    Input& input_;
    Guest& guest_ = Guest::get();
    test::MachineDiskShape shape_;
    test::MachineDisk disk_;
    DiskOracle oracle_;
    test::HandLoop loop_;
    std::optional<driver::Ring> ring_;
    std::optional<virtio::VirtQueue> queue_;
    virtio_blk::BlockDevice::Mode mode_;
    std::uint64_t max_append_ = 0;
    std::unique_ptr<virtio_blk::BlockDevice> device_;
    std::optional<StatusCode> fail_;
    std::size_t room_ = 0;
    std::uint64_t stamps_ = 0;
    Tally tally_;
};

}  // namespace

Tally run_blk_request(std::span<const std::uint8_t> bytes) {
    Input input(bytes.data(), bytes.size());
    return Session(input).run();
}

}  // namespace zonebridge::fuzz
