#include "transports/emulated/read_job.h"

#include <cerrno>

#include "base/iovec.h"

namespace zonebridge::emulated {
namespace {

constexpr std::uint32_t max_retries = 8;

}  // namespace

bool ReadJob::begin(const Request& request) noexcept {
    request_ = request;
    status_ = {};
    done_ = 0;
    retries_ = 0;
    status_.code = disk_.check_read(request.offset, request.length);
    return proceed();
}

void ReadJob::complete(const Result& result) noexcept {
    if (result.value == -EAGAIN || result.value == -EINTR)
        take(disk_.file().read(slice_.pieces, *extent_.file_at));
    else if (result.value < 0)
        take(tl::make_unexpected(-result.value));
    else
        take(static_cast<std::size_t>(result.value));
    if (proceed()) owner_.read_ended(*this);
}

bool ReadJob::proceed() noexcept {
    while (status_.ok() && done_ < request_.length) {
        if (retries_ > max_retries) {
            read_under_lock();
            continue;
        }
        if (!find_next()) continue;
        const auto pieces = slice_.pieces;
        const auto moved = disk_.file().read_cached(pieces, *extent_.file_at);
        if (!moved && moved.error() == EAGAIN) {
            const auto fd = disk_.file().descriptor();
            auto* entry = ring_ != nullptr && fd ? ring_->prepare(*this) : nullptr;
            if (entry != nullptr) {
                io_uring_prep_readv(entry, *fd, slice_.pieces.data(),
                                    static_cast<unsigned>(slice_.pieces.size()), *extent_.file_at);
                return false;
            }
            take(disk_.file().read(pieces, *extent_.file_at));
        } else {
            take(moved);
        }
    }
    return true;
}

// Whether there is something to read: zeroes are filled in at once.
bool ReadJob::find_next() noexcept {
    epoch_ = disk_.reuse_epoch();
    extent_ = disk_.extent_at(request_.offset + done_, request_.length - done_);
    slice_ = IovecCursor(request_.data, done_).slice(extent_.length, pieces_);
    if (extent_.file_at) return true;
    fill_zeroes();
    return false;
}

void ReadJob::fill_zeroes() noexcept {
    if (const auto error = disk_.zeroes().fill(slice_.pieces))
        fail(error);
    else
        done_ += slice_.length;
}

void ReadJob::take(File::Moved moved) noexcept {
    if (!moved) return fail(moved.error());
    // The slot may have been punched, or given to another zone, during the read.
    if (extent_.slot && retries_ <= max_retries && disk_.reuse_epoch() != epoch_) {
        ++retries_;
        return;
    }
    if (disk_.limits().read_only && !disk_.still_there(extent_)) return fail(ESTALE);
    if (*moved == 0) {
        // Past the file's end nothing was ever written, unless somebody shortened the file.
        if (extent_.slot || *extent_.file_at < disk_.data_end()) return fail(EIO);
        return fill_zeroes();
    }
    done_ += *moved;
}

// Slots change too often: keep this zone's slot in place during the read.
void ReadJob::read_under_lock() noexcept {
    const std::lock_guard guard(
        disk_.stripe(disk_.limits().layout.zone_of(request_.offset + done_)));
    if (!find_next()) return;
    take(disk_.file().read(slice_.pieces, *extent_.file_at));
}

void ReadJob::fail(int error) noexcept {
    const auto code = error == EIO ? StatusCode::media_error : status_of_errno(error);
    status_ = {code, NativeCause::os_error(error)};
}

}  // namespace zonebridge::emulated
