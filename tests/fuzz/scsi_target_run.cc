// Runs mostly valid SCSI commands against the target over a disk in memory. Checks the results and
// the disk against a plain model.
//
// Input: two bytes choose the disk, one byte the unit's options and the queue's depth, one byte for
// each zone its state. Then come steps, each a byte and its parameters: a batch of commands, or an
// event of the target or the disk.
#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "tests/fuzz/buffers.h"
#include "tests/fuzz/disk_oracle.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/scsi_commands.h"
#include "tests/fuzz/targets.h"
#include "tests/unit/support/hand_loop.h"
#include "zbc/cdb.h"
#include "zbc/target.h"

namespace zonebridge::fuzz {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t queue_depth = 8;   // a batch
constexpr std::size_t little_depth = 2;  // less: the rest of a batch waits

zbc::UnitOptions some_options(std::uint8_t choice, const Limits& limits) {
    zbc::UnitOptions options;
    if (choice % 4 == 1 && limits.model == Model::host_managed) options.reads_past_pointer = false;
    options.read_only = choice >= 0xF0;
    return options;
}

/// The shape that the initiator sees.
test::MachineDiskShape shape_of(test::MachineDiskShape shape, const zbc::UnitOptions& options) {
    shape.reads_past_pointer = options.reads_past_pointer.value_or(shape.reads_past_pointer);
    shape.read_only = shape.read_only || options.read_only;
    return shape;
}

struct InFlight {
    ScsiCommand command;
    Bytes cdb;
    Buffers in;
    Buffers out;
    Bytes sent;
    bool fault_waits = false;  // the disk was told to fail
    std::optional<zbc::TaskResult> result;
};

class Session {
  public:
    explicit Session(Input& input)
        : input_(input),
          base_(some_shape(input)),
          disk_(base_, first_bytes(base_)),
          choice_(input.byte()),
          options_(some_options(choice_, disk_.limits())),
          oracle_(shape_of(disk_.shape(), options_)),
          shape_(oracle_.shape()) {
        oracle_.begin(disk_, input);
        target_ = std::move(zbc::make_target(disk_, options_).value());
        queue_ = std::move(target_->open_queue(loop_, depth()).value());
    }

    ~Session() { give_back(disk_); }

    Tally run() {
        check_report();
        for (int steps = 0; !input_.empty() && steps < most_steps; ++steps) step();
        check_report();
        return tally_;
    }

  private:
    [[nodiscard]] std::size_t depth() const {
        return (choice_ & 8) != 0 ? little_depth : queue_depth;
    }

    void step() {
        const auto kind = input_.byte();
        switch (kind % 16) {
            case 10:
                ++attentions_;
                target_->reset();
                return;
            case 11:
                ++attentions_;
                target_->raise(static_cast<zbc::Attention>(kind / 16 % zbc::attention_count));
                return;
            case 12:
                oracle_.spoil(disk_, kind / 16 % 8,
                              (kind & 0x80) != 0 ? ZoneState::offline : ZoneState::read_only);
                return;
            case 13:
                fail_ = static_cast<StatusCode>(kind / 16 % 14 + 1);
                return;
            case 14:
                disk_.take_at_most = kind / 16;
                disk_.reverse = (kind & 0x80) != 0;
                return batch(4);
            case 15:
                disk_.hold = true;
                return batch(queue_depth);
            default:
                return batch(kind % 16 < 8 ? 1 : 3);
        }
    }

    void batch(std::size_t count) {
        std::vector<std::unique_ptr<InFlight>> commands;
        while (commands.size() < count && (commands.empty() || !input_.empty())) {
            commands.push_back(make());
            const auto meaning = meaning_of(commands.back()->cdb);
            // These send several requests to the disk, between which later commands could run.
            if (meaning.effect == Effect::action && meaning.count > 1 && !meaning.all) break;
            if (meaning.effect == Effect::verify || restricts_reads()) break;
        }
        if (fail_ && commands.size() == 1) {
            const auto effect = meaning_of(commands[0]->cdb).effect;
            if (effect == Effect::read || effect == Effect::write) {
                disk_.fail_next = fail_;
                commands[0]->fault_waits = true;
            }
            fail_.reset();
        }
        carry_out(commands);
        disk_.fail_next.reset();
        for (const auto& one : commands) judge(*one);
        oracle_.require_same(disk_);
        // Other commands change no zone; run() looks once more at the end.
        if (std::any_of(commands.begin(), commands.end(), [](const auto& one) {
                const auto effect = meaning_of(one->cdb).effect;
                return effect == Effect::write || effect == Effect::action;
            }))
            check_report();
    }

    /// Whether the target restricts reads to the write pointer, and the disk does not.
    [[nodiscard]] bool restricts_reads() const {
        return !shape_.reads_past_pointer && disk_.limits().reads_past_pointer;
    }

    std::unique_ptr<InFlight> make() {
        auto one = std::make_unique<InFlight>();
        one->command = some_command(input_, oracle_);
        use_sensed_mode_data(one->command);
        one->cdb = one->command.cdb;
        const auto room = input_.byte();
        const auto cut = input_.byte();
        const auto moves = one->command.moves;
        constexpr std::array<std::int64_t, 8> more{0, 0, 0, 0, 512, -1, -512, 3};
        const auto size = room >= 0xF8 ? 0
                                       : static_cast<std::uint64_t>(std::max<std::int64_t>(
                                             static_cast<std::int64_t>(moves) + more[room & 7], 0));
        const auto meaning = meaning_of(one->cdb);
        if (meaning.effect != Effect::write || (room & 0x40) != 0) one->in.make(size, cut);
        if (meaning.effect == Effect::write) {
            one->sent.resize(size);
            stamp(one->sent, ++stamps_);
        } else if (meaning.effect == Effect::verify) {
            one->sent = to_verify(meaning, cut, size);
        } else if (meaning.effect == Effect::none) {
            one->sent = one->command.parameters;
        }
        one->out.make(one->sent.size(), cut);
        one->out.fill(one->sent);
        return one;
    }

    /// The disk's data, or sometimes other data.
    Bytes to_verify(const Meaning& meaning, std::uint8_t cut, std::uint64_t size) {
        const std::uint64_t block = shape_.logical_block_size;
        if (meaning.byte_check == 0) return {};
        Bytes data(meaning.byte_check == 1 ? size : block);
        stamp(data, ++stamps_);
        const auto offset = meaning.lba * block;
        if (data.empty() || cut >= 0xE0 || meaning.lba >= oracle_.size() / block ||
            !oracle_.on_disk(offset, data.size()))
            return data;
        data = oracle_.read(offset, data.size());
        if (cut >= 0xC0) data[data.size() * (cut & 0x1F) / 32] ^= 1;
        return data;
    }

    /// Makes a MODE SELECT send the data of the last MODE SENSE with one byte changed.
    void use_sensed_mode_data(ScsiCommand& command) {
        const auto at = input_.byte();
        const auto with = input_.byte();
        if (at == 0xFF) return;
        const auto six = !command.cdb.empty() && command.cdb[0] == mode_select_6;
        if (!six && (command.cdb.size() < 10 || command.cdb[0] != mode_select_10)) return;
        auto& list = command.parameters;
        list = sensed_[six ? 0 : 1];
        if (command.cdb.size() < (six ? 6 : 10) || list.empty()) return;
        const std::size_t header = six ? 4 : 8;
        std::fill_n(list.begin(), std::min<std::size_t>(six ? 1 : 2, list.size()),
                    0);                                  // the length field
        if (list.size() > header) list[header] &= 0x7F;  // PS
        list[at % list.size()] ^= with;
        command.cdb[1] |= 0x10;  // PF
        if (six)
            command.cdb[4] = static_cast<std::uint8_t>(list.size());
        else
            command.cdb[7] = static_cast<std::uint8_t>(list.size() >> 8),
            command.cdb[8] = static_cast<std::uint8_t>(list.size());
    }

    void carry_out(std::vector<std::unique_ptr<InFlight>>& commands) {
        auto& tasks = tasks_;
        tasks.clear();
        for (std::size_t i = 0; i < commands.size(); ++i) {
            const auto& one = *commands[i];
            tasks.push_back({i, one.cdb, one.out.list(), one.in.list()});
        }
        auto sent = queue_->submit(tasks);
        require(sent == std::min(tasks.size(), depth()));
        std::size_t ended = 0;
        auto waits = 0;  // turns without a completed task
        zbc::TaskResult result;
        for (int turns = 0; ended < commands.size(); ++turns) {
            require(turns < 10000);
            if (queue_->reap({&result, 1}) == 1) {
                require(result.tag < commands.size());
                auto& one = *commands[result.tag];
                require(!one.result);  // completed once
                one.result = result;
                ++ended;
                sent += queue_->submit(std::span(tasks).subspan(sent));
                continue;
            }
            if (++waits == 2) {
                disk_.hold = false;
                disk_.take_at_most = std::numeric_limits<std::size_t>::max();
                disk_.reverse = false;
                loop_.note_ready();
            }
            require(loop_.ready() || waits == 1);  // otherwise a real loop would never wake
            static_cast<void>(loop_.turn(Loop::Wait::poll));
        }
        require(sent == tasks.size());
        require(queue_->reap({&result, 1}) == 0);
    }

    void judge(const InFlight& one) {
        const auto& result = *one.result;
        one.in.require_canaries();
        one.out.require_canaries();
        require(one.out.contents() == one.sent);
        require(one.cdb == one.command.cdb);
        require(result.data_in_length <= one.in.total());
        require(result.data_out_length <= one.out.total());
        require(result.sense_length <= result.sense.size());
        tally_.note(std::span(result.sense).first(result.sense_length));
        const auto received = one.in.contents();
        tally_.note(received);
        const auto opcode = one.cdb.empty() ? 0 : one.cdb[0];
        const auto good =
            result.delivery == zbc::Delivery::done && result.status == zbc::ScsiStatus::good;
        ++(good ? tally_.good : tally_.refused)[opcode];
        const auto meaning = meaning_of(one.cdb);
        if (good) {
            require(result.sense_length == 0);
            const auto rest = std::span(received).subspan(result.data_in_length);
            require(
                std::all_of(rest.begin(), rest.end(), [](auto byte) { return byte == canary; }));
            return judge_good(one, meaning, received);
        }
        if (result.delivery == zbc::Delivery::overrun) {
            require(meaning.effect != Effect::action);
            const auto needs = meaning.count * shape_.logical_block_size;
            if (meaning.effect == Effect::read) require(one.in.total() < needs);
            if (meaning.effect == Effect::write) require(one.out.total() < needs);
            if (meaning.effect == Effect::verify)
                require(meaning.byte_check != 0 && one.out.total() < needs);
            return;
        }
        require(result.delivery == zbc::Delivery::done);
        require(result.status == zbc::ScsiStatus::check_condition);
        const auto sense = zbc::decode_sense(std::span(result.sense).first(result.sense_length));
        require(sense.has_value());
        judge_refused(one, meaning, *sense);
    }

    void judge_good(const InFlight& one, const Meaning& meaning, const Bytes& received) {
        const auto& result = *one.result;
        const std::uint64_t block = shape_.logical_block_size;
        if (one.cdb[0] == start_stop_unit) started_ = false;
        if (one.cdb[0] == mode_sense_6 || one.cdb[0] == mode_sense_10)
            sensed_[one.cdb[0] == mode_sense_6 ? 0 : 1].assign(
                received.begin(),
                received.begin() + static_cast<std::ptrdiff_t>(result.data_in_length));
        if (meaning.effect == Effect::none) return;
        require(!meaning.odd);
        if (meaning.effect == Effect::action) {
            require(result.data_in_length == 0 && result.data_out_length == 0);
            return require(act(meaning));
        }
        const auto offset = meaning.lba * block;
        const auto length = meaning.count * block;
        require(meaning.lba <= oracle_.size() / block);
        if (meaning.effect == Effect::verify) {
            require(result.data_in_length == 0);
            if (length == 0) return;
            require(oracle_.judge_read(offset, length) == StatusCode::ok);
            return require(!first_difference(one, meaning));
        }
        const auto reads = meaning.effect == Effect::read;
        require(result.data_in_length == (reads ? length : 0));
        require(result.data_out_length == (reads ? 0 : length));
        if (length == 0) return;
        require(!one.fault_waits);
        if (reads) {
            require(oracle_.judge_read(offset, length) == StatusCode::ok);
            const auto expected = oracle_.read(offset, length);
            require(std::equal(expected.begin(), expected.end(), received.begin()));
        } else {
            require(!shape_.read_only);
            require(oracle_.judge_write(offset, length) == StatusCode::ok);
            oracle_.write(offset, std::span(one.sent).first(length));
        }
    }

    /// The first byte in which the data of a VERIFY differ from the disk's, counted from the start
    /// of the sent data (SBC-4, "miscompare").
    std::optional<std::uint64_t> first_difference(const InFlight& one, const Meaning& meaning) {
        const std::uint64_t block = shape_.logical_block_size;
        if (meaning.byte_check == 0) return std::nullopt;
        const auto there = oracle_.read(meaning.lba * block, meaning.count * block);
        const auto& sent = one.sent;
        const auto length = meaning.byte_check == 1 ? there.size() : block;
        require(sent.size() >= length);
        for (std::size_t i = 0; i < there.size(); ++i)
            if (there[i] != sent[i % length]) return i % length;
        return std::nullopt;
    }

    /// Applies the zone actions of a successful command to the model; false if the model forbids
    /// them.
    bool act(const Meaning& meaning) {
        if (shape_.read_only) return false;
        if (meaning.all) return oracle_.act_all(meaning.operation) == StatusCode::ok;
        const auto first = zone_of(meaning);
        if (!first || meaning.count > oracle_.zones().size() - *first) return false;
        for (auto zone = *first; zone < *first + meaning.count; ++zone) {
            if (oracle_.zones()[zone].conventional) return false;
            const auto code = oracle_.act(meaning.operation, zone);
            // ZBC does not treat a zone that needs no change as an error.
            if (code != StatusCode::ok && code != StatusCode::invalid_transition) return false;
        }
        return true;
    }
    std::optional<std::size_t> zone_of(const Meaning& meaning) const {
        for (std::size_t i = 0; i < oracle_.zones().size(); ++i)
            if (oracle_.zones()[i].start == meaning.lba * shape_.logical_block_size &&
                meaning.lba < oracle_.size())
                return i;
        return std::nullopt;
    }

    void judge_refused(const InFlight& one, const Meaning& meaning, const zbc::Sense& sense) {
        using enum zbc::SenseKey;
        require(one.result->data_in_length == 0);
        require(one.result->data_out_length == 0);
        if (sense.key == unit_attention) {
            require(attentions_ > 0);
            --attentions_;
            return;
        }
        if (one.fault_waits) return;  // the disk was told to fail, with any status
        if (sense.key == not_ready) return require(!started_);
        if (sense.key == miscompare) {
            require(meaning.effect == Effect::verify);
            const auto block = shape_.logical_block_size;
            require(oracle_.on_disk(meaning.lba * block, meaning.count * block));
            const auto different = first_difference(one, meaning);
            return require(different && sense.information == different);
        }
        require(sense.key == illegal_request || sense.key == data_protect);
        if (meaning.effect == Effect::none || meaning.odd) return;
        if (sense.asc == 0x24 && sense.field && sense.field->in_cdb)
            require(sense.field->byte <= one.cdb.size());
        require(!must_succeed(one, meaning));
    }

    /// Whether nothing is wrong with the command. Also applies the part of an action that took
    /// effect before it failed.
    bool must_succeed(const InFlight& one, const Meaning& meaning) {
        if (shape_.model == Model::none && meaning.effect == Effect::action) return false;
        if (meaning.effect == Effect::action) {
            if (shape_.read_only) return false;
            if (meaning.all) return oracle_.act_all(meaning.operation) == StatusCode::ok;
            const auto first = zone_of(meaning);
            if (!first || meaning.count > oracle_.zones().size() - *first) return false;
            for (auto zone = *first; zone < *first + meaning.count; ++zone)
                if (oracle_.zones()[zone].conventional) return false;
            return act(meaning);
        }
        const std::uint64_t block = shape_.logical_block_size;
        if (meaning.count == 0 || meaning.lba >= oracle_.size() / block) return false;
        const auto offset = meaning.lba * block;
        const auto length = meaning.count * block;
        if (length > shape_.max_transfer) return false;
        const auto& buffers = meaning.effect == Effect::read ? one.in : one.out;
        if (buffers.list().size() > shape_.max_segments) return false;
        if (meaning.effect == Effect::verify && meaning.byte_check == 2) return false;
        if (meaning.effect != Effect::write)
            return oracle_.is_plain_read(offset, length) &&
                   oracle_.judge_read(offset, length) == StatusCode::ok;
        return !shape_.read_only && oracle_.judge_write(offset, length) == StatusCode::ok;
    }

    /// Checks REPORT ZONES against the model.
    void check_report() {
        if (shape_.model == Model::none) return;
        const auto room = 64 + 128 * oracle_.zones().size();
        const auto cdb = zbc::encode_report_zones({0, static_cast<std::uint32_t>(room), false, 0});
        if (report_.empty()) {
            report_.push_back(std::make_unique<InFlight>());
            report_[0]->cdb.assign(cdb.begin(), cdb.end());
            report_[0]->in.make(room, 0);
        }
        auto& one = *report_[0];
        for (auto tries = 0;; ++tries) {
            require(tries < 8);
            one.result.reset();
            one.in.wipe();
            carry_out(report_);
            one.in.require_canaries();
            if (one.result->status == zbc::ScsiStatus::good) break;
            const auto sense =
                zbc::decode_sense(std::span(one.result->sense).first(one.result->sense_length));
            require(sense && (sense->key == zbc::SenseKey::unit_attention ||
                              (sense->key == zbc::SenseKey::not_ready && !started_)));
            if (sense->key == zbc::SenseKey::not_ready) return;
            require(attentions_-- > 0);
        }
        const auto* const bytes = static_cast<const std::uint8_t*>(one.in.list()[0].iov_base);
        const ByteView view(std::span(bytes, room));
        const auto length = one.result->data_in_length;
        require(length >= 64 && length == 64 + view.be32(0));
        std::size_t at = 64;
        const auto block = shape_.logical_block_size;
        for (const auto& zone : oracle_.zones()) {
            require(at + 64 <= length);
            require((view.u8(at) & 0xF) == (zone.conventional                     ? 1
                                            : shape_.model == Model::host_managed ? 2
                                                                                  : 3));
            require(view.u8(at + 1) >> 4 == static_cast<int>(zone.state));
            require(view.be64(at + 8) == zone.capacity / block);
            require(view.be64(at + 16) == zone.start / block);
            const auto pointer = DiskOracle::pointer_of(zone);
            require(view.be64(at + 24) == (pointer ? *pointer / block : ~std::uint64_t{0}));
            at += 64;
            if (zone.capacity == zone.length) continue;
            require(at + 64 <= length);
            require((view.u8(at) & 0xF) == 5);  // the gap behind the zone
            require(view.be64(at + 8) == (zone.length - zone.capacity) / block);
            at += 64;
        }
        require(at == length);
    }

    static constexpr std::uint8_t start_stop_unit = 0x1B, mode_select_6 = 0x15,
                                  mode_select_10 = 0x55, mode_sense_6 = 0x1A, mode_sense_10 = 0x5A;

    Input& input_;
    test::MachineDiskShape base_;
    test::MachineDisk disk_;
    std::uint8_t choice_;
    zbc::UnitOptions options_;
    DiskOracle oracle_;
    const test::MachineDiskShape& shape_;  // as the initiator sees it
    test::HandLoop loop_;
    std::unique_ptr<zbc::LogicalUnit> target_;
    std::unique_ptr<zbc::TaskQueue> queue_;
    int attentions_ = 1;  // unit attentions that may be pending; a new initiator has one
    bool started_ = true;
    std::vector<std::unique_ptr<InFlight>> report_;  // the command that check_report() repeats
    std::array<Bytes, 2> sensed_;                    // by MODE SENSE (6) and (10)
    std::vector<zbc::Task> tasks_;
    std::optional<StatusCode> fail_;
    std::uint64_t stamps_ = 0;
    Tally tally_;
};

}  // namespace

Tally run_scsi_target(std::span<const std::uint8_t> bytes) {
    Input input(bytes.data(), bytes.size());
    return Session(input).run();
}

}  // namespace zonebridge::fuzz
