// The virtio-scsi device's data path on one thread: chains from its virtqueues become tasks of
// logical units, and their results answers.
//
// Threads: belongs to the thread of its loop.
// Ownership: borrows the loop, the logical units and each VirtQueue from attach to detach; owns the
// task queues and everything a request in flight needs, so that nothing allocates once a queue is
// attached.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "virtio-scsi/wire.h"
#include "virtio/device.h"
#include "virtio/virtqueue.h"
#include "zbc/logical_unit.h"
#include "zone/loop.h"

namespace zonebridge::virtio_scsi {

/// A logical unit and its number on target 0.
struct Unit {
    std::uint16_t lun = 0;
    zbc::LogicalUnit* logical_unit = nullptr;
    /// Raises its unit attentions by itself: the guest hears of them by an event, too.
    bool passed_through = false;
};

class Controller final : public virtio::Device {
    struct Private {};

  public:
    /// Opens a task queue to each unit.
    [[nodiscard]] static tl::expected<std::unique_ptr<Controller>, Error> open(
        Loop& loop, std::span<const Unit> units);

    Controller(Private, Loop& loop);  // by open()
    Controller(const Controller&) = delete;
    Controller& operator=(const Controller&) = delete;
    ~Controller() override;

    /// The sizes a driver may choose; with no request in flight.
    void set_sizes(std::uint32_t cdb_size, std::uint32_t sense_size) noexcept;

    void attach(std::uint16_t index, virtio::VirtQueue& queue) override;
    void detach(std::uint16_t index) noexcept override;
    [[nodiscard]] bool take(std::uint16_t index) noexcept override;
    void complete() noexcept override;
    [[nodiscard]] std::size_t in_flight(std::uint16_t index) const noexcept override;
    [[nodiscard]] const std::optional<std::string>& fault() const noexcept override {
        return fault_;
    }

    /// Puts `event` on the event queue. Without a buffer there, it is dropped and the next one says
    /// so (virtio 1.2, 5.6.6.3 "events missed"). The caller publishes.
    void report(const Event& event) noexcept;

  private:
    struct Slot;
    struct Port;
    struct Lun;

    void answer_recovered(Port& port) noexcept;
    [[nodiscard]] Slot* pop(Port& port) noexcept;
    void push(Slot& slot, std::uint64_t written) noexcept;

    // Request queues.
    void take_requests(Port& port) noexcept;
    void start(Slot& slot) noexcept;
    void submit(Lun& lun) noexcept;
    void finish(Slot& slot, const zbc::TaskResult& result) noexcept;
    void answer(Slot& slot, ResponseHeader header, std::span<const std::uint8_t> sense,
                std::uint64_t data_in_length) noexcept;

    // The control queue, in controller_control.cc.
    void take_control(Port& port) noexcept;
    void manage(Slot& slot, const TaskManagement& function) noexcept;
    void end_functions() noexcept;
    [[nodiscard]] static bool affects(const Slot& function, const Slot& command) noexcept;
    [[nodiscard]] bool waits(const Slot& function) const noexcept;
    void respond(Slot& slot, Response response) noexcept;

    [[nodiscard]] Lun* find(std::uint16_t lun) noexcept;
    [[nodiscard]] Port* port(std::uint16_t index) noexcept;
    void fail(std::string text) noexcept;

    Loop& loop_;
    std::vector<std::unique_ptr<Lun>> luns_;
    std::vector<std::uint64_t> lun_list_;  ///< For REPORT LUNS, in its eight-byte form.
    std::vector<std::unique_ptr<Port>> ports_;
    std::size_t waiting_functions_ = 0;
    std::array<zbc::TaskResult, 32> results_;
    std::uint64_t next_serial_ = 0;
    std::uint32_t cdb_size_ = Config::default_cdb_size;
    std::uint32_t sense_size_ = Config::default_sense_size;
    bool events_missed_ = false;
    std::optional<std::string> fault_;
};

}  // namespace zonebridge::virtio_scsi
