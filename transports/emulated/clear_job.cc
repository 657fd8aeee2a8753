#include "transports/emulated/clear_job.h"

#include <cerrno>

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
    // The same as Disk::clear.
    io_uring_prep_fallocate(entry, *fd, may_give_back(request) ? File::punch_mode : File::zero_mode,
                            disk_.plain_at(request.offset), request.length);
    return false;
}

void ClearJob::complete(const Result& result) noexcept {
    const auto error = result.value < 0 ? -result.value : 0;
    if (error == EOPNOTSUPP && request_.operation == zonebridge::Operation::discard)
        end(0);  // a file system without holes: no space can be freed
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
