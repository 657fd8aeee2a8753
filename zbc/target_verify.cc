// How the target verifies: the medium is read into the queue's own scratch, piece by piece, and held
// against the initiator's data there. Only one VERIFY reads at a time, the others wait: it is a rare
// command, and a buffer for each of them would be most of a queue's memory.

#include <algorithm>

#include "zbc/sense.h"
#include "zbc/target_queue.h"

namespace zonebridge::zbc {

void TargetQueue::start_verify(Index index, const Task& task, const CommandInfo& info) noexcept {
    const auto& unit = facts_.unit;
    const auto& limits = facts_.disk.limits();
    const auto range = decode_block_range(info, ByteView(task.cdb));
    auto& slot = slots_[index];

    const auto check = parse_byte_check(range.byte_check);
    if (range.protect != 0) {  // there is no protection information on this disk
        refuse(index, invalid_field_in_cdb(1, std::uint8_t{7}));
        return;
    }
    if (!check) {
        refuse(index, invalid_field_in_cdb(1, std::uint8_t{2}));
        return;
    }
    if (const auto sense = refuse_range(unit, range.lba, range.blocks)) {
        refuse(index, *sense);
        return;
    }
    if (range.blocks == 0) {
        done(index);
        return;
    }
    const auto offset = range.lba * unit.block_size;
    const auto length = std::uint64_t{range.blocks} * unit.block_size;
    // Page B0h limits what is transferred; what is only read from the medium has no limit.
    if (*check == ByteCheck::all && length > limits.max_transfer) {
        refuse(index, invalid_field_in_cdb(info.length.at));
        return;
    }
    if (const auto sense = facts_.geometry.refuse_read(offset, length)) {
        refuse(index, *sense);
        return;
    }
    std::uint64_t data = 0;
    if (*check != ByteCheck::medium) data = *check == ByteCheck::all ? length : unit.block_size;
    if (total_length(task.data_out) < data) {
        slot.result.delivery = Delivery::overrun;
        done(index);
        return;
    }
    slot.result.data_out_length = data;
    slot.data_out = task.data_out;
    slot.verify.begin(limits.layout, offset, length, *check);
    slot.verifies = true;
    if (restricted(offset))
        look_up(index, offset, length);
    else
        continue_read(index);
}

/// Begins as soon as the scratch is free.
void TargetQueue::wait_for_scratch(Index index) noexcept {
    if (scratch_taken_) {
        scratch_waiters_.push(index);
        return;
    }
    scratch_taken_ = true;
    begin_verify(index);
}

void TargetQueue::begin_verify(Index index) noexcept {
    auto& slot = slots_[index];
    switch (slot.verify.check()) {
        case ByteCheck::medium:
            break;
        case ByteCheck::all:
            slot.verify.compare_with(slot.data_out);
            break;
        case ByteCheck::one_block: {
            const auto block = scratch().subspan(piece_, facts_.unit.block_size);
            gather(slot.data_out, block);
            slot.verify.compare_with(std::span<const std::uint8_t>(block));
            break;
        }
    }
    continue_verify(index);
}

/// Asks for the next piece, or ends the command. Requires that the slot has the scratch.
void TargetQueue::continue_verify(Index index) noexcept {
    auto& slot = slots_[index];
    const auto next = slot.verify.next(piece_);
    if (!next) {
        done(index);
        give_back_scratch();
        return;
    }
    scratch_list_ = {scratch().data(), static_cast<std::size_t>(next->length)};
    slot.step = Step::verify;
    slot.request = Request();
    slot.request.operation = Operation::read;
    slot.request.offset = next->offset;
    slot.request.length = next->length;
    slot.request.data = {&scratch_list_, 1};
    enqueue(index);
}

void TargetQueue::complete_verify(Index index, const Completion& completion) noexcept {
    auto& slot = slots_[index];
    auto sense = sense_for(completion.status.code, Operation::read);
    if (!sense) {
        if (const auto place = slot.verify.feed(scratch().first(slot.request.length)))
            sense = miscompare(*place);
    }
    if (!sense) {
        continue_verify(index);
        return;
    }
    slot.result.data_out_length = 0;
    refuse(index, *sense);
    give_back_scratch();
}

void TargetQueue::give_back_scratch() noexcept {
    if (scratch_waiters_.empty()) {
        scratch_taken_ = false;
        return;
    }
    begin_verify(scratch_waiters_.pop());
}

}  // namespace zonebridge::zbc
