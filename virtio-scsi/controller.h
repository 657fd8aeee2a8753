// The virtio-scsi device's data path on one thread: turns chains from its virtqueues into tasks of
// logical units, and results into answers. A device whose queues run on several threads has a
// controller on each; they share no state, and exchange messages through their loops where an
// operation concerns commands on all threads.
//
// Threads: belongs to the thread of its loop.
// Ownership: borrows the loop, the logical units, its peers and each VirtQueue from attach to
// detach; owns the task queues and the memory of all requests in flight, so that nothing allocates
// once a queue is attached. A control queue is stopped before any controller is destroyed: then the
// only pending messages are reports of events.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "virtio-scsi/recovery.h"
#include "virtio-scsi/wire.h"
#include "virtio/device.h"
#include "virtio/virtqueue.h"
#include "zbc/logical_unit.h"
#include "zone/loop.h"

namespace zonebridge::virtio_scsi {

/// A logical unit and its number on target 0.
struct Unit {
    std::uint16_t lun = 0;  ///< Less than max_luns.
    zbc::LogicalUnit* logical_unit = nullptr;
    /// Raises unit attentions by itself: the guest gets an event for these, too.
    bool passed_through = false;
};

/// The numbers of one byte, which every driver addresses in the same way.
inline constexpr std::size_t max_luns = 256;

class Controller final : public virtio::Device {
    struct Private {};

  public:
    /// Opens a task queue to each unit; their numbers differ.
    [[nodiscard]] static tl::expected<std::unique_ptr<Controller>, Error> open(
        Loop& loop, std::span<const Unit> units);

    Controller(Private, Loop& loop);  // by open()
    Controller(const Controller&) = delete;
    Controller& operator=(const Controller&) = delete;
    ~Controller() override;

    /// Sets all controllers of the device, this one included: queue i is attached to number i
    /// modulo their count. Call it before any queue is attached; without it this controller is the
    /// only one.
    void join(std::span<Controller* const> peers);

    /// Sets the sizes that a driver may choose. Requires that no request is in flight.
    void set_sizes(std::uint32_t cdb_size, std::uint32_t sense_size) noexcept;
    /// The accepted bits of feature_hotplug and feature_change: other events are not reported.
    void set_features(std::uint64_t features) noexcept { features_ = features; }
    /// For a new driver, which has missed no events.
    void forget_missed_events() noexcept { events_missed_ = false; }

    // Units under a running guest, in controller_units.cc.

    /// Opens a task queue to a unit whose number is free; no command reaches it before
    /// commit_unit().
    [[nodiscard]] tl::expected<void, Error> prepare_unit(const Unit& unit);
    void commit_unit();
    void abandon_unit() noexcept;
    /// From now on that number has no unit; its waiting commands are refused. `drained` is called,
    /// on this thread, once no command of the unit is in flight.
    void retire_unit(std::uint16_t lun, std::function<void()> drained);
    /// Releases a unit that was retired and has drained. Closing its task queue may turn the loop.
    void forget_unit(std::uint16_t lun);

    void attach(std::uint16_t index, virtio::VirtQueue& queue) override;
    void detach(std::uint16_t index) noexcept override;
    [[nodiscard]] std::size_t bytes_for(std::uint16_t size) const noexcept override;
    [[nodiscard]] bool take(std::uint16_t index) noexcept override;
    [[nodiscard]] bool waits(std::uint16_t index) const noexcept override;
    void complete() noexcept override;
    void recover(virtio::Lost lost) noexcept override;
    [[nodiscard]] bool recovering() const noexcept override;
    void recovered() noexcept override;
    [[nodiscard]] bool published() noexcept override;
    [[nodiscard]] std::size_t in_flight(std::uint16_t index) const noexcept override;
    [[nodiscard]] const std::optional<std::string>& fault() const noexcept override {
        return fault_;
    }

    /// Puts `event` on the event queue, which this controller has. Without a buffer the event is
    /// dropped; then the next one, or an event of its own once there is a buffer, reports the loss
    /// (virtio 1.2, 5.6.6.3 "events missed"). The caller publishes.
    void report(const Event& event) noexcept;

  private:
    struct Slot;
    struct Port;
    struct Lun;
    struct Function;

    // Recovered chains, in controller_recovery.cc. Commands are judged one after the other.
    void recover_next() noexcept;
    [[nodiscard]] Slot* pop_recovered(Port& port) noexcept;
    void begin_recovery(Slot& slot) noexcept;
    void go_on(Slot& slot, Recovery::Next next) noexcept;
    void answer_events(Port& port) noexcept;

    [[nodiscard]] Slot* pop(Port& port) noexcept;
    void push(Slot& slot, std::uint64_t written) noexcept;

    // Request queues.
    void take_requests(Port& port) noexcept;
    [[nodiscard]] bool has_heads(const Slot& slot) const noexcept;
    void start(Slot& slot) noexcept;
    void enqueue(Slot& slot, Lun& lun) noexcept;
    void submit(Lun& lun) noexcept;
    void reap(Lun& lun) noexcept;
    void finish(Slot& slot, const zbc::TaskResult& result) noexcept;
    void answer(Slot& slot, ResponseHeader header, std::span<const std::uint8_t> sense,
                std::uint64_t data_in_length) noexcept;

    // The control queue, in controller_control.cc.
    void take_control(Port& port) noexcept;
    void manage(Slot& slot, const TaskManagement& function) noexcept;
    void consider(Function function) noexcept;
    void consider_waiting() noexcept;
    void count(Function function) noexcept;
    [[nodiscard]] static bool affects(const Function& function, const Slot& command) noexcept;
    void count_off(const Slot& command) noexcept;
    void end_part(Slot& slot, bool found) noexcept;
    void respond(Slot& slot, Response response) noexcept;

    // The event queue, in controller_units.cc.
    void report_attention(const Lun& lun, const zbc::TaskResult& result) noexcept;
    void put_event(const Event& event) noexcept;
    [[nodiscard]] bool take_events(Port& port) noexcept;

    [[nodiscard]] tl::expected<std::unique_ptr<Lun>, Error> make_lun(const Unit& unit);
    void insert(std::unique_ptr<Lun> lun);
    [[nodiscard]] Lun* find(std::uint16_t lun) noexcept;
    [[nodiscard]] Port* port(std::uint16_t index) const noexcept;
    void fail(std::string text) noexcept;

    Loop& loop_;
    std::vector<Controller*> peers_;
    std::array<Lun*, max_luns> by_number_{};
    std::vector<std::unique_ptr<Lun>> luns_;  ///< Includes retired units.
    std::unique_ptr<Lun> prepared_;
    std::vector<std::uint64_t> lun_list_;  ///< For REPORT LUNS, in its eight-byte form, ascending.
    std::vector<std::unique_ptr<Port>> ports_;
    std::vector<Function> waiting_functions_;  ///< Wait until commands before them are taken.
    std::vector<Function> functions_;          ///< Wait until commands are answered.
    std::size_t ended_functions_ = 0;          ///< Of functions_, those that wait for nothing more.
    std::array<zbc::TaskResult, 32> results_;
    std::array<zbc::Task, 32> batch_;
    std::uint64_t next_serial_ = 0;
    std::uint32_t cdb_size_ = Config::default_cdb_size;
    std::uint32_t sense_size_ = Config::default_sense_size;
    std::uint64_t features_ = 0;
    bool events_missed_ = false;
    Recovery recovery_;                  ///< Of recovered_, while it is active.
    Slot* recovered_ = nullptr;          ///< The recovered command that is not answered yet.
    std::size_t reports_under_way_ = 0;  ///< In flight to the controller of the event queue.
    bool reports_lost_ = false;
    std::optional<std::string> fault_;
};

}  // namespace zonebridge::virtio_scsi
