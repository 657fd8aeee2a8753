// The memory that a front end shares with this back end: the guest's, the log of the pages written
// to it, and the record of the requests in flight.
//
// The Backend has the memory of guest(). While it logs, the log covers all of that memory: pages
// that can't be marked would be stale after the migration, without an error.
//
// Threads: belongs to the session's thread.
// Ownership: shares all three with the Backend, which keeps what its queues use; borrows the
// Backend.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "virtio/backend.h"
#include "virtio/dirty_log.h"
#include "virtio/inflight.h"
#include "virtio/memory.h"
#include "virtio/vhost_user/channel.h"

namespace zonebridge::virtio {

class FrontEndMemory {
    using Result = tl::expected<void, std::string>;
    using NewTable = tl::expected<GuestMemory::Table, std::string>;

  public:
    explicit FrontEndMemory(Backend& backend) : backend_(backend), table_(GuestMemory::none()) {}

    [[nodiscard]] const GuestMemory& guest() const noexcept { return *table_; }

    // The table that a message asks for. Nothing changes until move_to().

    /// SET_MEM_TABLE.
    [[nodiscard]] NewTable replaced_by(const Message& message) const;
    /// ADD_MEM_REG.
    [[nodiscard]] NewTable with(const Message& message) const;
    /// REM_MEM_REG.
    [[nodiscard]] NewTable without(const Message& message) const;

    /// Requires that every running ring lies in `table`. On an error the old table stays in use.
    [[nodiscard]] Result move_to(GuestMemory::Table table, Deadline deadline);

    /// SET_LOG_BASE; `by_file`: LOG_SHMFD was negotiated. The log is used from update_log() on.
    [[nodiscard]] Result set_log(const Message& message, bool by_file);
    /// To call when the log, `wanted`, the memory or `used_rings` (Backend::set_log) may have
    /// changed. Fails if a log that is wanted does not cover the memory.
    [[nodiscard]] Result update_log(bool wanted,
                                    std::span<const std::optional<std::uint64_t>> used_rings);

    struct NewRecord {
        UniqueFd fd;
        std::vector<std::byte> payload;  ///< Of the reply.
    };
    /// GET_INFLIGHT_FD: a new record, for the front end to keep and give back.
    [[nodiscard]] tl::expected<NewRecord, std::string> make_record(const Message& message) const;
    /// SET_INFLIGHT_FD. Running rings keep the record that they were started with.
    [[nodiscard]] Result set_record(const Message& message);
    /// Null: nothing is recorded.
    [[nodiscard]] const std::shared_ptr<const InflightArea>& record() const noexcept {
        return record_;
    }

    /// Releases all shared memory. Requires that all rings were told to stop, and that the log is off.
    void release(Deadline deadline) noexcept;

    /// move_to() failed at its deadline, so that another wait would be useless.
    [[nodiscard]] bool undrained() const noexcept { return undrained_; }

  private:
    Backend& backend_;
    GuestMemory::Table table_;
    std::shared_ptr<const DirtyLog> log_;
    bool logging_ = false;  // the Backend has a log
    std::shared_ptr<const InflightArea> record_;
    bool undrained_ = false;
};

}  // namespace zonebridge::virtio
