// A thin virtio-scsi initiator (VIRTIO 1.2, 5.6) over the front end: commands with their status and
// sense, task management, events, and the commands that tests of zoned disks often send.
//
// Ownership: borrows the front end and the memory, which must outlive it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/driver/front_end.h"

namespace zonebridge::driver {

/// The address {1, target, lun}.
struct ScsiAddress {
    std::uint8_t target = 0;
    std::uint16_t lun = 0;
};

struct ScsiCommand {
    std::vector<std::uint8_t> cdb;
    std::span<const std::byte> data_out = {};
    std::uint32_t data_in_length = 0;
    ScsiAddress address = {};
    /// Replaces the eight address bytes of the request.
    std::optional<std::array<std::uint8_t, 8>> raw_address = {};
};

/// A 16-byte CDB: opcode, flags or service action, LBA, length, group, control.
[[nodiscard]] std::vector<std::uint8_t> cdb16(std::uint8_t opcode, std::uint8_t byte1,
                                              std::uint64_t lba, std::uint32_t length,
                                              std::uint8_t byte14 = 0);

struct ScsiResult {
    std::uint8_t response = 0;  ///< virtio-scsi's: 0 OK, 1 OVERRUN, 3 BAD_TARGET ...
    std::uint8_t status = 0;    ///< SCSI's: 0 GOOD, 2 CHECK CONDITION ...
    std::uint32_t residual = 0;
    std::vector<std::uint8_t> sense;
    std::vector<std::byte> data;    ///< data_in_length bytes less the residual.
    std::uint32_t used_length = 0;  ///< The length in the used ring.
    std::uint64_t id = 0;           ///< The command's tag.

    [[nodiscard]] bool good() const noexcept { return response == 0 && status == 0; }
    /// Sense key, ASC and ASCQ as key << 16 | asc << 8 | ascq, of fixed or descriptor sense; 0 if
    /// there is none.
    [[nodiscard]] std::uint32_t sense_code() const noexcept;
    /// "response 0 status 2 sense 5/21/04", for test messages.
    [[nodiscard]] std::string text() const;
};

/// A zone descriptor of REPORT ZONES (ZBC, "REPORT ZONES parameter data"); positions in LBAs.
struct ReportedZone {
    std::uint8_t type;
    std::uint8_t condition;
    bool reset_recommended;
    std::uint64_t length;
    std::uint64_t start;
    std::uint64_t write_pointer;
};

struct ZoneReport {
    std::uint8_t same;
    std::uint32_t list_length;  ///< Bytes of all matching descriptors, transferred or not.
    std::uint64_t maximum_lba;
    std::vector<ReportedZone> zones;  ///< The zones that were transferred.
};

struct ScsiEvent {
    std::uint32_t event;
    std::array<std::uint8_t, 8> address;
    std::uint32_t reason;
};

struct ScsiOptions {
    std::uint16_t request_queues = 1;
    RingOptions ring{.size = 128, .event_index = true, .indirect_entries = 64};
    std::uint32_t max_transfer = 1u << 20;  ///< The largest data length of a command, in bytes.
    std::uint32_t segment = 0;              ///< The size of data buffers, in bytes; 0: one buffer.
    std::uint16_t depth = 32;               ///< Commands in flight on all queues together.
};

class ScsiInitiator {
  public:
    /// The guest memory that an initiator with these options needs.
    [[nodiscard]] static std::uint64_t memory_needed(const ScsiOptions& options);

    /// Starts the control, event and request queues of a negotiated front end whose memory is
    /// shared.
    [[nodiscard]] static Result<ScsiInitiator> start(FrontEnd& front_end, SharedMemory& memory,
                                                     const ScsiOptions& options = {});

    /// Runs one command.
    [[nodiscard]] Result<ScsiResult> run(const ScsiCommand& command, std::uint16_t queue = 0,
                                         std::chrono::milliseconds limit = patience);
    /// Queues a command and returns its tag. The device sees it after submit.
    [[nodiscard]] Result<std::uint64_t> add(const ScsiCommand& command, std::uint16_t queue = 0);
    void submit(std::uint16_t queue = 0);
    /// The next completion on that queue, of any command.
    [[nodiscard]] Result<ScsiResult> wait(std::uint16_t queue = 0,
                                          std::chrono::milliseconds limit = patience);
    [[nodiscard]] std::uint16_t outstanding() const noexcept;

    /// Runs a task management function and returns the response byte.
    [[nodiscard]] Result<std::uint8_t> manage(std::uint32_t subtype, ScsiAddress address,
                                              std::uint64_t id = 0);
    [[nodiscard]] Result<std::uint8_t> abort_task(std::uint64_t id, ScsiAddress address = {});
    [[nodiscard]] Result<std::uint8_t> reset_logical_unit(ScsiAddress address = {});
    /// Sends any bytes to the control queue, with room for `reply_size` bytes; returns the reply.
    [[nodiscard]] Result<Bytes> control_raw(std::span<const std::byte> request,
                                            std::uint32_t reply_size);

    /// Gives the device buffers for events.
    [[nodiscard]] Result<void> post_event_buffers(unsigned count = 8);
    [[nodiscard]] Result<ScsiEvent> wait_event(std::chrono::milliseconds limit = patience);

    [[nodiscard]] Result<ScsiResult> test_unit_ready();
    [[nodiscard]] Result<ScsiResult> inquiry(std::optional<std::uint8_t> page = {},
                                             std::uint16_t allocation = 255);
    /// READ(16), WRITE(16): `lba` and `blocks` in logical blocks, of `block_size` bytes.
    [[nodiscard]] Result<ScsiResult> read(std::uint64_t lba, std::uint32_t blocks,
                                          std::uint32_t block_size);
    [[nodiscard]] Result<ScsiResult> write(std::uint64_t lba, std::span<const std::byte> data,
                                           std::uint32_t block_size, bool fua = false);
    [[nodiscard]] Result<ScsiResult> synchronize_cache();
    /// ZBC OUT: 1 CLOSE, 2 FINISH, 3 OPEN, 4 RESET WRITE POINTER.
    [[nodiscard]] Result<ScsiResult> zone_action(std::uint8_t service_action, std::uint64_t lba,
                                                 bool all = false);
    [[nodiscard]] Result<ZoneReport> report_zones(std::uint64_t lba = 0,
                                                  std::uint8_t reporting_options = 0,
                                                  bool partial = false,
                                                  std::uint32_t allocation = 65536);
    struct Capacity {
        std::uint64_t last_lba;
        std::uint32_t block_size;
    };
    [[nodiscard]] Result<Capacity> read_capacity();

    [[nodiscard]] Queue& control() noexcept { return *queues_[0]; }
    [[nodiscard]] Queue& event() noexcept { return *queues_[1]; }
    [[nodiscard]] Queue& request(std::uint16_t queue) noexcept { return *queues_[2 + queue]; }

  private:
    struct Slot {
        Block command;
        Block response;
        Block data;
        std::uint64_t id = 0;
        std::uint32_t data_in_length = 0;
        bool busy = false;
    };

    ScsiInitiator(FrontEnd& front_end, SharedMemory& memory, const ScsiOptions& options);
    [[nodiscard]] ScsiResult finish(Slot& slot, std::uint32_t used_length);

    FrontEnd* front_end_;
    SharedMemory* memory_;
    ScsiOptions options_;
    std::vector<Queue*> queues_;
    std::vector<Slot> slots_;
    std::vector<std::vector<std::size_t>> slot_of_head_;  // for each request queue
    std::vector<Block> event_blocks_;                     // by head
    Block control_out_;
    Block control_in_;
    std::uint64_t next_id_ = 1;
};

}  // namespace zonebridge::driver
