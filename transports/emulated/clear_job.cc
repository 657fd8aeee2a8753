#include "transports/emulated/clear_job.h"

#include <cerrno>
#include <fcntl.h>

#include "transports/emulated/writer.h"

namespace zonebridge::emulated {

bool ClearJob::begin(const Request& request) noexcept {
    request_ = request;
    status_ = disk_.before_change();
    if (!status_.ok()) return true;
    const auto fd = disk_.file().descriptor();
    auto* entry = ring_ != nullptr && fd ? ring_->prepare(*this) : nullptr;
    if (entry == nullptr) {
        clear_here();
        return true;
    }
    const auto keeps =
        request.operation == zonebridge::Operation::write_zeroes && !request.may_unmap;
    // As File::zero and File::punch.
    io_uring_prep_fallocate(
        entry, *fd, keeps ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
        disk_.plain_at(request.offset), request.length);
    return false;
}

void ClearJob::complete(const Result& result) noexcept {
    const auto error = result.value < 0 ? -result.value : 0;
    if (error == EOPNOTSUPP && request_.operation == zonebridge::Operation::discard)
        end(0);  // a file system without holes: nothing is to be had
    else if (error == EOPNOTSUPP || error == EAGAIN || error == EINTR)
        clear_here();
    else
        end(error);
    owner_.clear_ended(*this);
}

void ClearJob::clear_here() noexcept {
    end(disk_.clear(request_, disk_.plain_at(request_.offset), request_.length));
}

void ClearJob::end(int error) noexcept {
    disk_.note_change(0);
    status_ = status_of_clear(error);
}

}  // namespace zonebridge::emulated
