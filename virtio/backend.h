// The device that a vhost-user or VDUSE session drives, with its queues, and how such a session
// ends. The service implements the device by messages to its workers.
//
// Threads: every call comes from the session's thread, one at a time, and returns only when every
// worker concerned has handled it. Workers handle calls at once, except for requests at a disk: a
// call that waits for those has a deadline. event_fd and take_event belong to that thread too; the
// implementation synchronises its events.
// Ownership: arguments are shared: the implementation keeps what its workers use.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "base/unique_fd.h"
#include "virtio/dirty_log.h"
#include "virtio/inflight.h"
#include "virtio/memory.h"
#include "virtio/notifier.h"
#include "virtio/virtqueue.h"

namespace zonebridge::virtio {

using Deadline = std::chrono::steady_clock::time_point;

/// Everything a worker needs to run a queue. Make the VirtQueue from `ring` and the memory of the
/// last set_memory, and keep `inflight` as long as that VirtQueue.
struct QueueSetup {
    VirtQueue::Config ring;
    std::shared_ptr<const InflightArea> inflight;  ///< What ring.inflight points to; may be null.
    /// An eventfd that becomes readable when the driver made chains available. The driver's side may
    /// have made it blocking: watch it, and do not read it. Null: there are no kicks, poll the ring.
    SharedFd kick;
    Notifier call;   ///< Notifies the driver of answers.
    SharedFd error;  ///< An eventfd to signal, like a call, when the ring is broken. May be null.
    bool enabled = false;
    /// The ring may hold chains whose kick has been consumed: look once without a kick. Also set if
    /// there may be recovered chains. Otherwise leave the ring alone until the first kick.
    bool look_at_once = false;
    /// Where used-ring writes are marked while a dirty log is set.
    std::optional<std::uint64_t> used_log;
};

enum class ResetCause : std::uint8_t {
    requested,    ///< RESET_DEVICE: the machine was reset.
    status,       ///< Device status 0: the guest's driver closed; QEMU also writes it on a pause.
    session_end,  ///< The front end is gone.
};

/// An event from the device for the session.
struct BackendEvent {
    enum class Kind : std::uint8_t {
        fault,           ///< A ring or its memory is broken: the session ends with `text`.
        config_changed,  ///< The front end should read the configuration space again.
    };
    Kind kind;
    std::string text;
};

class Backend {
  public:
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;
    virtual ~Backend() = default;

    /// The feature bits the device offers: its own and those of ring.h that it supports
    /// (indirect_descriptors, event_index, version_1). The session adds log_all and
    /// protocol_features.
    [[nodiscard]] virtual std::uint64_t features() const noexcept = 0;
    /// All queues, control and event queues included; at most 256.
    [[nodiscard]] virtual std::uint16_t queue_count() const noexcept = 0;
    /// The largest ring the device runs: a power of two.
    [[nodiscard]] virtual std::uint16_t max_queue_size() const noexcept = 0;

    /// Fills `out` from `offset` of the configuration space, with zeroes where it has no bytes.
    virtual void read_config(std::uint32_t offset, std::span<std::byte> out) noexcept = 0;
    /// The guest (or, with `migration`, the front end restoring a guest) writes configuration
    /// space; generic front ends write all of it at offset 0. False: refused, nothing changed; the
    /// session goes on.
    [[nodiscard]] virtual bool write_config(std::uint32_t offset, std::span<const std::byte> in,
                                            bool migration) noexcept = 0;

    /// Why a driver that accepted these of the offered features should not get the device at all. A
    /// session that can refuse features so that the driver learns of it (VDUSE: FEATURES_OK is not
    /// set) asks before set_features. A vhost-user session can't, so set_features has to accept
    /// such features, or refuse them and make the session fail.
    [[nodiscard]] virtual std::optional<std::string> objection(std::uint64_t /*features*/) const {
        return std::nullopt;
    }

    /// The offered features that the driver accepted, without the session's own two. Never called
    /// while a ring runs. An error refuses them: the front end learns of it (a failed
    /// acknowledgement, no FEATURES_OK in the status), and no ring starts until the driver accepts
    /// others.
    [[nodiscard]] virtual tl::expected<void, std::string> set_features(std::uint64_t features) = 0;

    /// Replaces the guest's memory. Every running ring lies in the new map (the session stops the
    /// others first, and starts them again when their memory returns). Returns once nothing uses an
    /// address of the previous map any more, requests in flight included; that map ends when its
    /// last holder releases it. An error if requests are still at a disk at the deadline: the old
    /// map stays in use as long as they are.
    [[nodiscard]] virtual tl::expected<void, std::string> set_memory(GuestMemory::Table memory,
                                                                     Deadline deadline) = 0;

    /// Marks guest memory written from now on in `log`; null: stop marking. `used_rings` has an
    /// entry for each queue.
    virtual void set_log(std::shared_ptr<const DirtyLog> log,
                         std::span<const std::optional<std::uint64_t>> used_rings) = 0;

    /// Whether `fd` is an eventfd: asked of the kernel in a way that never waits and that the peer,
    /// whose descriptor it is, can't deceive. Kicks, calls and errors are eventfds, because every
    /// other kind can block its user (docs/decisions/peers-descriptors.md).
    [[nodiscard]] virtual bool is_eventfd(int fd) noexcept = 0;

    /// Runs a queue; enable its kicks at once (VirtQueue::enable_kicks), since an earlier user of
    /// the ring may have left them off. With `inflight` the ring may hold recovered chains
    /// (VirtQueue::pop_recovered): each has to be answered, and one that changes the medium may be
    /// repeated only if the device knows that it was not carried out.
    [[nodiscard]] virtual tl::expected<void, std::string> start_queue(std::uint16_t index,
                                                                      const QueueSetup& setup) = 0;
    /// Takes no more chains from that running queue, waits until those in flight are answered,
    /// publishes and notifies the driver a last time, then forgets the ring; returns
    /// VirtQueue::base(). Nothing touches the ring, its buffers or descriptors afterwards. An error
    /// if requests are still at a disk at the deadline: no more chains are taken, but the ring and
    /// its memory stay in use as long as they are. Call it again to wait once more.
    [[nodiscard]] virtual tl::expected<std::uint16_t, std::string> stop_queue(
        std::uint16_t index, Deadline deadline) = 0;
    /// A disabled queue takes no chains, but remembers a kick: enabling it looks at the ring then.
    /// Called for running queues only.
    virtual void enable_queue(std::uint16_t index, bool enabled) = 0;
    /// A running queue notifies the driver by `call` from now on, and once at once: the old
    /// notifier may have lost a notification.
    virtual void set_call(std::uint16_t index, Notifier call) = 0;
    virtual void set_error(std::uint16_t index, SharedFd error) = 0;

    /// Back to the initial state, no features accepted; all queues are stopped. The guest's memory
    /// stays, and pending events are dropped. Also called at the end of each session, when there is
    /// no memory any more. If a queue did not stop in time, its driver is not notified of its
    /// remaining requests, and the device refuses further queues and memory until all have
    /// returned.
    virtual void reset(ResetCause cause) = 0;

    /// Readable while take_event has an event; nothing if the device never has events.
    [[nodiscard]] virtual std::optional<int> event_fd() const noexcept = 0;
    /// The next event; makes event_fd unreadable when it was the last.
    [[nodiscard]] virtual std::optional<BackendEvent> take_event() = 0;

  protected:
    Backend() = default;
};

struct SessionEnd {
    enum class Reason : std::uint8_t {
        disconnected,  ///< The front end closed the connection; vhost-user only.
        stopped,       ///< The stop descriptor became readable.
        failed,        ///< `message` is the line for the log.
    };
    Reason reason;
    std::string message;
};

}  // namespace zonebridge::virtio
