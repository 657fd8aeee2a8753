#include "transports/doorbell.h"

#include <cerrno>

namespace zonebridge {
namespace {

// A turn of a worker rings a bell at most a few times before the kernel takes the requests.
constexpr unsigned completions = 64;

}  // namespace

tl::expected<std::unique_ptr<Doorbell>, Error> Doorbell::create() {
    auto bell = std::make_unique<Doorbell>(Private{});
    io_uring_params params{};
    params.flags = IORING_SETUP_CQSIZE;
    params.cq_entries = completions;
    if (const int result = io_uring_queue_init_params(1, &bell->ring_, &params); result < 0)
        return tl::unexpected(
            os_failure(-result, "can't set up an io_uring that notifies a driver"));
    bell->made_ = true;
    return bell;
}

Doorbell::~Doorbell() {
    if (made_) io_uring_queue_exit(&ring_);
}

tl::expected<void, Error> Doorbell::connect(int fd) noexcept {
    disconnect();
    if (const int result = io_uring_register_eventfd(&ring_, fd); result < 0)
        return tl::unexpected(os_failure(-result, "can't signal a descriptor as an eventfd"));
    connected_ = true;
    return {};
}

void Doorbell::disconnect() noexcept {
    if (connected_) io_uring_unregister_eventfd(&ring_);
    connected_ = false;
}

void Doorbell::forget_completions() noexcept {
    io_uring_cq_advance(&ring_, io_uring_cq_ready(&ring_));
}

void Doorbell::ring() noexcept {
    if (!connected_) return;
    forget_completions();
    // An entry that the kernel did not take the last time is still there, and does.
    if (auto* const entry = io_uring_get_sqe(&ring_)) io_uring_prep_nop(entry);
    io_uring_submit(&ring_);
}

void Doorbell::ring_with(Ring& loop) noexcept {
    if (!connected_) return;
    auto* const entry = loop.prepare_unanswered();
    if (entry == nullptr) return ring();
    forget_completions();
    io_uring_prep_msg_ring(entry, ring_.ring_fd, 0, 0, 0);
    // Fails only without room for the completion, which forget_completions made.
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

}  // namespace zonebridge
