// Runs descriptor chains, some of them malformed, through the virtio-scsi or the virtio-blk device,
// over a disk in memory. Checks that the device touches only the memory that it may touch, and that
// every chain completes once; scsi_target and blk_request check the commands' results.
//
// Input: a byte chooses the device and the ring's size and features, two bytes the disk, one byte for each
// zone its state. Then come sessions of steps, each a byte and its parameters. A broken ring ends
// its session.
#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include "base/bytes.h"
#include "tests/fuzz/blk_requests.h"
#include "tests/fuzz/chain_devices.h"
#include "tests/fuzz/chains.h"
#include "tests/fuzz/disk_oracle.h"
#include "tests/fuzz/scsi_commands.h"
#include "tests/fuzz/targets.h"
#include "tests/unit/support/hand_loop.h"
#include "virtio-blk/config.h"
#include "virtio-blk/device.h"
#include "virtio-scsi/controller.h"
#include "virtio/device.h"
#include "zbc/target.h"

namespace zonebridge::fuzz {
namespace {

using Bytes = std::vector<std::uint8_t>;
namespace scsi = virtio_scsi;

constexpr std::size_t head_size = scsi::RequestHeader::size + scsi::Config::default_cdb_size;
constexpr std::size_t response_size = scsi::ResponseHeader::size + scsi::Config::default_sense_size;
constexpr std::uint64_t max_data = 8 << 10;
constexpr std::uint8_t blank = 0xEE;  // the initial bytes of writable buffers
constexpr std::uint16_t second_lun = 3;
constexpr std::array<std::uint16_t, 2> luns{0, second_lun};
constexpr std::uint16_t small_ring = 4, large_ring = 16;
enum class SecondUnit : std::uint8_t { present, removing, absent };

class ChainSession {
  public:
    explicit ChainSession(Input& input)
        : input_(input),
          choice_(input.byte()),
          shape_(some_shape(input)),
          disk_(shape_, first_bytes(shape_)),
          hints_(shape_) {
        hints_.begin(disk_, input);
        disk_.deepest = large_ring;
        if (is_scsi()) {
            target_ = std::move(zbc::make_target(disk_).value());
            units_ = {ShallowUnit(*target_, 3), ShallowUnit(*target_, 1)};
            controller_ = OnlyController::get().controller.get();
            for (const auto which : {0, 1}) add_unit(which);
            controller_->set_features(scsi::feature_hotplug | scsi::feature_change);
            controller_->forget_missed_events();
            device_ = controller_;
        } else {
            auto blk = std::move(
                virtio_blk::BlockDevice::open(loop_, disk_, {.id = "ZB", .max_append = 8 << 10})
                    .value());
            blk->set_mode({.zoned = shape_.model != Model::none,
                           .write_through = (choice_ & 0x10) != 0,
                           .discard = true,
                           .write_zeroes = true});
            blk_ = std::move(blk);
            device_ = blk_.get();
        }
    }

    ~ChainSession() {
        if (controller_ != nullptr) {
            for (const auto lun : luns) {
                controller_->retire_unit(lun, [] {});
                controller_->forget_unit(lun);
            }
        }
        give_back(disk_);
    }

    Tally run() {
        for (int sessions = 0; !input_.empty() && sessions < 2; ++sessions) {
            begin();
            auto going = true;
            for (int steps = 0; going && !input_.empty() && steps < most_steps; ++steps)
                going = step();
            end();
        }
        return tally_;
    }

  private:
    struct Sent {
        std::size_t ring;
        ChainRing::Made made;
        std::size_t readable;
        std::size_t writable;
        std::uint8_t name;
    };

    [[nodiscard]] bool is_scsi() const { return (choice_ & 1) == 0; }
    [[nodiscard]] std::size_t first_request_ring() const {
        return is_scsi() ? scsi::first_request_queue : 0;
    }

    /// Small rings wrap around soon. Large ones have room for long chains, but memory for those takes long.
    [[nodiscard]] std::uint16_t ring_size(std::size_t ring) const {
        return ring == first_request_ring() && (choice_ & 0x20) == 0 ? large_ring : small_ring;
    }

    void begin() {
        guest_.begin();
        // Reserves the front of the second region for buffers that cross the border.
        static_cast<void>(guest_.shared.allocate(16 << 10, 8, 1));
        for (std::size_t i = 0; i <= first_request_ring(); ++i) {
            rings_.push_back(std::make_unique<ChainRing>(
                guest_, ring_size(i), (choice_ & 2) != 0, (choice_ & 4) == 0,
                (choice_ & 8) != 0 ? std::uint16_t{0xFFF0} : std::uint16_t{0}));
            const auto index = static_cast<std::uint16_t>(i);
            auto queue = virtio::VirtQueue::create(*guest_.memory, rings_[i]->config(index));
            if (!queue) throw std::runtime_error(queue.error());
            queues_.push_back(std::make_unique<virtio::VirtQueue>(std::move(*queue)));
            device_->attach(index, *queues_[i]);
        }
    }

    void end() {
        release();
        for (int turns = 0; turns < 1000 && in_flight() != 0; ++turns) turn();
        require(in_flight() == 0);
        for (std::size_t i = 0; i < rings_.size(); ++i) {
            require(queues_[i]->in_flight() == 0);
            if (!device_->fault() && !is_event_ring(i))
                require(rings_[i]->used() == rings_[i]->available());
        }
        if (device_->fault()) {
            ++tally_.faults;
            tally_.note(*device_->fault());
            require(!device_->fault()->empty());
            for (std::size_t i = 0; i < rings_.size(); ++i)
                require(!device_->take(static_cast<std::uint16_t>(i)));
            require(in_flight() == 0);
        }
        for (std::size_t i = 0; i < rings_.size(); ++i)
            device_->detach(static_cast<std::uint16_t>(i));
        require(!device_->fault());  // the fault ends with its driver
        queues_.clear();
        rings_.clear();
        sent_.clear();
        tampered_ = false;
    }

    [[nodiscard]] bool is_event_ring(std::size_t ring) const {
        return is_scsi() && ring == scsi::event_queue;
    }
    [[nodiscard]] std::size_t in_flight() const {
        std::size_t count = 0;
        for (std::size_t i = 0; i < queues_.size(); ++i) {
            const auto taken = device_->in_flight(static_cast<std::uint16_t>(i));
            require(taken == queues_[i]->in_flight());
            count += taken;
        }
        return count;
    }

    /// Returns false when the session has ended.
    bool step() {
        const auto kind = input_.byte();
        auto chains = 1;
        switch (kind % 16) {
            case 8:
            case 9:
                chains = 4;
                break;
            case 10:
                disk_.hold = true;
                chains = 6;
                break;
            case 11:
                disk_.take_at_most = kind / 16;
                chains = 4;
                break;
            case 12:
                chains = 0;
                release();
                break;
            case 13:
                if (kind < 0x80) break;
                tampered_ = true;
                if (kind % 32 < 16)
                    rings_.back()->jump(static_cast<std::uint16_t>(input_.number(2) & 0x7FFF));
                else
                    rings_.back()->name(static_cast<std::uint16_t>(input_.number(2)));
                break;
            case 14:
                if (controller_ == nullptr) break;
                if (kind >= 0x80)
                    controller_->report({.event = kind / 16U % 4, .lun = {1}, .reason = 0});
                else
                    change_units();
                break;
            default:
                break;
        }
        for (int i = 0; i < chains; ++i) add();
        for (std::size_t i = 0; i < rings_.size(); ++i) {
            const auto took = device_->take(static_cast<std::uint16_t>(i));
            if (!is_event_ring(i)) require(took != device_->fault().has_value());
        }
        for (std::size_t i = 0; i < rings_.size(); ++i)
            if (rings_[i]->broken() && !is_event_ring(i)) require(device_->fault().has_value());
        turn();
        turn();
        if (std::all_of(rings_.begin(), rings_.end(),
                        [](const auto& ring) { return ring->used() == ring->available(); }))
            guest_.free_border();
        return !device_->fault();
    }

    /// Removes the second unit, which takes until its commands complete, or adds it again.
    void change_units() {
        if (unit_ == SecondUnit::present) {
            unit_ = SecondUnit::removing;
            controller_->retire_unit(second_lun, [this] { unit_ = SecondUnit::absent; });
        } else if (unit_ == SecondUnit::absent) {
            controller_->forget_unit(second_lun);
            add_unit(1);
            unit_ = SecondUnit::present;
        }
    }
    void add_unit(std::size_t which) {
        require(controller_->prepare_unit({.lun = luns[which], .logical_unit = &units_[which]})
                    .has_value());
        controller_->commit_unit();
    }

    void release() {
        disk_.hold = false;
        disk_.take_at_most = std::numeric_limits<std::size_t>::max();
        loop_.note_ready();
    }

    void turn() {
        static_cast<void>(loop_.turn(Loop::Wait::poll));
        device_->complete();
        do {
            for (const auto& queue : queues_) static_cast<void>(queue->publish());
        } while (device_->published());
        for (std::size_t i = 0; i < rings_.size(); ++i) {
            static_cast<void>(rings_[i]->take_used());
            require(rings_[i]->used() + queues_[i]->in_flight() <= rings_[i]->available());
        }
        for (auto sent = sent_.begin(); sent != sent_.end();) {
            if (rings_[sent->ring]->outstanding(sent->made.head)) {
                ++sent;
                continue;
            }
            judge(*sent);
            sent = sent_.erase(sent);
        }
    }

    /// Checks the written bytes, unless the driver tampered with a chain: then another may have
    /// overwritten them.
    void judge(const Sent& sent) {
        if (sent.made.in.host == nullptr) return;
        const auto* const bytes = reinterpret_cast<const std::uint8_t*>(sent.made.in.host);
        tally_.note(std::span(bytes, sent.writable));
        if (tampered_ || device_->fault()) return;
        if (!is_scsi()) {
            const auto status = bytes[sent.writable - 1];
            ++(status == 0 ? tally_.good : tally_.refused)[sent.name];
            return require(status <= 6);
        }
        if (sent.ring == scsi::control_queue) return require(sent.writable < 1 || bytes[0] <= 12);
        if (sent.ring != scsi::first_request_queue) return;
        const std::span reply(bytes, sent.writable);
        const auto sense = ByteView(reply).le32(0);
        const auto residual = ByteView(reply).le32(4);
        const auto room = sent.readable - head_size + sent.writable - response_size;
        require(sense <= scsi::Config::default_sense_size && residual <= room);
        require(reply[11] <= static_cast<std::uint8_t>(scsi::Response::failure));
        require((reply[10] == 2) == (sense != 0));
        // The bytes between the sense data and the data, and behind the data, are untouched.
        require_untouched(reply.subspan(scsi::ResponseHeader::size + sense,
                                        scsi::Config::default_sense_size - sense));
        if (sent.readable == head_size && reply[10] == 0 && reply[11] == 0)
            require_untouched(reply.last(residual));
        ++(reply[10] == 0 && reply[11] == 0 ? tally_.good : tally_.refused)[sent.name];
    }

    static void require_untouched(std::span<const std::uint8_t> bytes) {
        require(std::all_of(bytes.begin(), bytes.end(), [](auto byte) { return byte == blank; }));
    }

    void add() {
        Sent sent{};
        Bytes readable;
        sent.ring = first_request_ring();
        if (!is_scsi()) {
            auto request = some_blk_request(input_, hints_, ++stamps_);
            request.out.resize(std::min<std::size_t>(request.out.size(), max_data));
            readable = request.readable();
            sent.writable = std::min(request.in_length, max_data) + 1;
            sent.name = static_cast<std::uint8_t>(request.type);
        } else {
            const auto which = input_.byte();
            if (which % 16 == 15) {
                sent.ring = scsi::event_queue;
                sent.writable = which < 0x80 ? scsi::Event::size : which / 16;
            } else if (which % 16 >= 13) {
                sent.ring = scsi::control_queue;
                readable = control_request();
                sent.writable = which < 0x80 ? 5 : 1;
            } else {
                readable = command(sent, which);
            }
        }
        sent.readable = readable.size();
        const auto short_one = input_.byte();
        if (short_one >= 0xF8) readable.resize(readable.size() * (short_one & 7) / 8);
        auto made = rings_[sent.ring]->add(input_, readable, sent.writable);
        if (!made) return;
        if (short_one >= 0xF8) made->sound = false;
        sent.made = *made;
        tampered_ = tampered_ || !made->sound;
        if (made->in.host != nullptr) std::memset(made->in.host, blank, sent.writable);
        sent_.push_back(sent);
    }

    Bytes command(Sent& sent, std::uint8_t which) {
        const auto made = some_command(input_, hints_);
        const auto lun = input_.byte();
        Bytes bytes(head_size);
        const std::array<std::uint8_t, 4> address{
            1, static_cast<std::uint8_t>(lun >= 0xF8 ? 1 : 0), 0x40,
            static_cast<std::uint8_t>((lun & 7) == 7 ? 5 : (lun & 1) * second_lun)};
        std::copy(address.begin(), address.end(), bytes.begin());
        if (lun == 0xF7) bytes[0] = 0xC1;
        ByteWriter(bytes).le64(8, std::uint64_t{++stamps_});
        std::copy(made.cdb.begin(), made.cdb.end(), bytes.begin() + scsi::RequestHeader::size);
        const auto moves = std::min(made.moves, max_data);
        const auto effect = meaning_of(made.cdb).effect;
        sent.writable = response_size + (effect == Effect::write ? 0 : moves);
        if (effect == Effect::write) {
            bytes.resize(head_size + moves);
            stamp(std::span(bytes).subspan(head_size), stamps_);
        } else if ((which & 0x40) != 0) {
            bytes.insert(bytes.end(), made.parameters.begin(), made.parameters.end());
        }
        if ((which & 0x80) != 0) sent.writable += which & 0x30;
        sent.name = made.cdb.empty() ? 0 : made.cdb[0];
        return bytes;
    }

    Bytes control_request() {
        const auto type = input_.byte();
        Bytes bytes(scsi::TaskManagement::size);
        ByteWriter(bytes).le32(0, std::uint32_t{type} / 64 % 4);
        ByteWriter(bytes).le32(4, std::uint32_t{type} % 9);
        bytes[8] = 1;
        bytes[10] = 0x40;
        bytes[11] = (type & 0x10) != 0 ? second_lun : 0;
        ByteWriter(bytes).le64(16, stamps_ - type % 4);
        return bytes;
    }

    Input& input_;
    Guest& guest_ = Guest::get();
    std::uint8_t choice_;
    test::MachineDiskShape shape_;
    test::MachineDisk disk_;
    DiskOracle hints_;  // the initial state of the disk
    test::HandLoop& loop_ = OnlyController::get().loop;
    std::unique_ptr<zbc::LogicalUnit> target_;
    std::vector<ShallowUnit> units_;  // views of target_
    std::unique_ptr<virtio_blk::BlockDevice> blk_;
    scsi::Controller* controller_ = nullptr;
    virtio::Device* device_ = nullptr;  // one of these two
    std::vector<std::unique_ptr<ChainRing>> rings_;
    std::vector<std::unique_ptr<virtio::VirtQueue>> queues_;
    std::vector<Sent> sent_;
    SecondUnit unit_ = SecondUnit::present;  // the state of the second unit
    bool tampered_ = false;                  // the driver sent something invalid in this session
    std::uint64_t stamps_ = 0;
    Tally tally_;
};

}  // namespace

Tally run_virtio_chain(std::span<const std::uint8_t> bytes) {
    Input input(bytes.data(), bytes.size());
    return ChainSession(input).run();
}

}  // namespace zonebridge::fuzz
