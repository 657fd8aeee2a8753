#include "transports/doorbell.h"

#include <array>
#include <cerrno>

namespace zonebridge {
namespace {

// A turn of a worker rings a bell at most a few times before the kernel takes the requests.
constexpr unsigned completions = 64;

}  // namespace

tl::expected<std::unique_ptr<Doorbell>, Error> Doorbell::create() {
    auto bell = std::make_unique<Doorbell>(Private{});
    io_uring_params params{};
    params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
    params.cq_entries = completions;
    if (const int result = io_uring_queue_init_params(1, &bell->ring_, &params); result < 0)
        return tl::unexpected(
            os_failure(-result, "can't set up an io_uring that notifies a driver"));
    bell->made_ = true;
    // For a hijacked process it is good for nothing else (see ring.cc).
    std::array<io_uring_restriction, 3> restrictions{};
    restrictions[0].opcode = IORING_RESTRICTION_SQE_OP;
    restrictions[0].sqe_op = IORING_OP_NOP;
    restrictions[1].opcode = restrictions[2].opcode = IORING_RESTRICTION_REGISTER_OP;
    restrictions[1].register_op = IORING_REGISTER_EVENTFD;
    restrictions[2].register_op = IORING_UNREGISTER_EVENTFD;
    const auto fd = static_cast<unsigned>(bell->ring_.ring_fd);
    auto limited = io_uring_register(fd, IORING_REGISTER_RESTRICTIONS, restrictions.data(),
                                     restrictions.size());
    if (limited == 0) limited = io_uring_register(fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    if (limited < 0)
        return tl::unexpected(os_failure(-limited, "can't limit an io_uring to notifications"));
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
