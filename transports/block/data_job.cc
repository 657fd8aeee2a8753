#include "transports/block/data_job.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>

#include "base/iovec.h"

namespace zonebridge::block {
namespace {

constexpr unsigned max_retries = 16;
alignas(4096) constexpr std::array<std::uint8_t, 64 * 1024> zeroes{};

}  // namespace

void DataJob::begin(const Request& request, std::span<std::uint8_t> bounce) noexcept {
    request_ = request;
    bounce_ = bounce;
    done_ = 0;
    retries_ = 0;
    status_ = {};
    way_ = may_give_back(request) ? Way::give_back : Way::keep;
    if (!bounce_.empty() && request_.operation == zonebridge::Operation::write)
        copy_from(request_.data, 0, bounce_);
    issue();
}

void DataJob::issue() noexcept {
    auto* entry = ring_.prepare(*this);
    if (entry == nullptr) return owner_.data_must_wait(*this);
    if (request_.operation == zonebridge::Operation::flush)
        return io_uring_prep_fsync(entry, disk_.fd(), IORING_FSYNC_DATASYNC);

    if (clears_at_once())
        return io_uring_prep_fallocate(
            entry, disk_.fd(),
            (way_ == Way::keep ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE) | FALLOC_FL_KEEP_SIZE,
            request_.offset, request_.length);

    const auto data = rest();
    const auto count = static_cast<unsigned>(data.size());
    const auto at = request_.offset + done_;
    const auto* buffer = data.data();
    // One buffer, the common case, saves the kernel reading a list.
    const auto length = static_cast<unsigned>(buffer->iov_len);
    if (request_.operation == zonebridge::Operation::read) {
        if (count == 1)
            io_uring_prep_read(entry, disk_.fd(), buffer->iov_base, length, at);
        else
            io_uring_prep_readv(entry, disk_.fd(), buffer, count, at);
        return;
    }
    if (count == 1)
        io_uring_prep_write(entry, disk_.fd(), buffer->iov_base, length, at);
    else
        io_uring_prep_writev(entry, disk_.fd(), buffer, count, at);
    // Linux sends a FUA write, or a write and a flush if the device has no FUA.
    if (request_.fua) entry->rw_flags = RWF_DSYNC;
}

bool DataJob::clears_at_once() const noexcept {
    return clears(request_.operation) && way_ != Way::write;
}

// The buffers still to be moved. A buffer moved in part comes first and alone.
std::span<const iovec> DataJob::rest() noexcept {
    if (!bounce_.empty()) {
        const auto left = bounce_.subspan(done_);
        piece_ = {left.data(), left.size()};
        return {&piece_, 1};
    }
    if (clears(request_.operation)) {
        piece_ = {const_cast<std::uint8_t*>(zeroes.data()),
                  std::min<std::uint64_t>(zeroes.size(), request_.length - done_)};
        return {&piece_, 1};
    }
    auto skip = done_;
    auto data = request_.data;
    while (skip != 0 && skip >= data.front().iov_len) {
        skip -= data.front().iov_len;
        data = data.subspan(1);
    }
    if (skip == 0) return data;
    piece_ = {static_cast<std::uint8_t*>(data.front().iov_base) + skip,
              data.front().iov_len - skip};
    return {&piece_, 1};
}

void DataJob::complete(const Result& result) noexcept {
    if (request_.operation == zonebridge::Operation::flush)
        return end(result.value < 0 ? disk_.status_of(-result.value) : Status{});
    if (clears_at_once()) return complete_clear(result.value < 0 ? -result.value : 0);
    // A write to a sequential zone that succeeded in part, or may have, must not be retried: the
    // zone's next report shows how far it got.
    const auto once = disk_.is_sequential_write(request_);
    if (result.value < 0) {
        const auto again = result.value == -EAGAIN || result.value == -EINTR;
        if (!again || once || ++retries_ > max_retries) return end(disk_.status_of(-result.value));
        return issue();
    }
    done_ += static_cast<std::uint64_t>(result.value);
    if (done_ < request_.length) {
        // No more data: the device is gone, or the file was truncated.
        if (result.value == 0 || once) return end(disk_.status_of(EIO));
        return issue();
    }
    if (!bounce_.empty() && request_.operation == zonebridge::Operation::read)
        copy_to(request_.data, 0, bounce_);
    end({});
}

// EOPNOTSUPP: the device lacks the command, or the file system has no holes.
void DataJob::complete_clear(int error) noexcept {
    if ((error == EAGAIN || error == EINTR) && ++retries_ <= max_retries) return issue();
    if (error != EOPNOTSUPP) return end(error == 0 ? Status{} : disk_.status_of(error));
    if (request_.operation == zonebridge::Operation::discard) return end({});
    way_ = way_ == Way::give_back ? Way::keep : Way::write;
    issue();
}

void DataJob::end(Status status) noexcept {
    status_ = status;
    owner_.data_ended(*this);
}

}  // namespace zonebridge::block
