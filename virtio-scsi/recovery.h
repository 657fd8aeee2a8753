// A SCSI command that an earlier server took and never answered: whether it is sent again, or its
// zone shows that it was carried out (docs/decisions/inflight.md). Uses only SCSI commands, so it
// serves translated disks and disks that are passed through.
//
// Threads: belongs to its controller's thread.
// Ownership: borrows the command's buffers from begin() to the end; owns the memory that it
// compares with, only while it compares.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <sys/uio.h>

#include "zbc/cdb.h"
#include "zbc/logical_unit.h"

namespace zonebridge::virtio_scsi {

/// Judges one command at a time. The results of the commands that it asks for go to take().
class Recovery {
  public:
    /// What is to be done next.
    enum class Next : std::uint8_t {
        send,    ///< Send task().
        answer,  ///< Answer the command with result().
        reset,   ///< The command may or may not have been carried out: answer RESET.
    };

    Recovery() = default;
    Recovery(const Recovery&) = delete;
    Recovery& operator=(const Recovery&) = delete;

    [[nodiscard]] Next begin(const zbc::Task& command) noexcept;
    [[nodiscard]] Next take(const zbc::TaskResult& result) noexcept;
    /// From a Next::send until the next answer or reset.
    [[nodiscard]] bool active() const noexcept { return step_ != Step::ended; }
    /// The command cannot go on.
    void abandon() noexcept { (void)end(Next::reset); }

    [[nodiscard]] const zbc::Task& command() const noexcept { return command_; }
    [[nodiscard]] const zbc::Task& task() const noexcept { return task_; }
    [[nodiscard]] const zbc::TaskResult& result() const noexcept { return result_; }
    /// The unit reported an attention to a command of this judgement, which sent the command again.
    [[nodiscard]] bool met_attention() const noexcept { return met_attention_; }

  private:
    enum class Step : std::uint8_t {
        ended,
        repeating,     ///< The command itself, which changes nothing.
        changing,      ///< The command itself, which changes something.
        asking_zone,   ///< REPORT ZONES.
        reading_back,  ///< READ of what the command may have written.
        writing_rest,  ///< WRITE of what the command did not write.
        syncing,       ///< SYNCHRONIZE CACHE behind a change.
    };

    [[nodiscard]] Next send_command(Step step) noexcept;
    [[nodiscard]] Next send_own(Step step, const zbc::Cdb& cdb) noexcept;
    [[nodiscard]] Next judge_by_zone(const zbc::TaskResult& result) noexcept;
    /// Begins to compare the command's first `blocks` blocks with the disk.
    [[nodiscard]] Next compare(std::uint32_t blocks) noexcept;
    [[nodiscard]] Next read_back() noexcept;
    [[nodiscard]] bool same_data(const zbc::TaskResult& result) const noexcept;
    [[nodiscard]] Next write_rest() noexcept;
    /// The command's data are on the disk.
    [[nodiscard]] Next written() noexcept;
    [[nodiscard]] Next end(Next how) noexcept;

    Step step_ = Step::ended;
    zbc::Task command_;
    zbc::Task task_;
    zbc::TaskResult result_;
    bool met_attention_ = false;
    unsigned attentions_ = 0;

    // Of a write, in logical blocks.
    std::uint64_t lba_ = 0;
    std::uint32_t blocks_ = 0;
    std::uint64_t block_size_ = 0;  // bytes
    std::uint32_t compared_ = 0;
    std::uint32_t to_compare_ = 0;

    zbc::Cdb cdb_{};
    std::array<std::uint8_t, 128> report_{};  // a header and one descriptor
    std::unique_ptr<std::uint8_t, decltype(&std::free)> bytes_{nullptr, &std::free};
    iovec piece_{};
    std::unique_ptr<iovec, decltype(&std::free)> rest_{
        nullptr, &std::free};  // the buffers of what is still to be written
};

}  // namespace zonebridge::virtio_scsi
