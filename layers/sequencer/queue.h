// One thread's way to a device whose sequential zones are kept in order. What needs no order goes
// to the device's own queue as it comes; what does goes through its zone's line, and whichever
// queue holds the line issues it, also for the others.
//
// Threads: belongs to its loop's thread; receive() and poke() may be called from any.
// Ownership: owns the device's queue, its nodes and carriers; borrows the loop and the zones.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "layers/sequencer/zones.h"
#include "zone/loop.h"
#include "zone/transport.h"

namespace zonebridge::sequencer {

class SequencedQueue final : public Queue, private Issuer, private Watcher {
    struct Private {};

  public:
    /// `limits` are those shown above; `device` has its own.
    [[nodiscard]] static tl::expected<std::unique_ptr<Queue>, Error> open(
        Loop& loop, Transport& device, const Limits& limits, Zones& zones, std::size_t depth);
    SequencedQueue(Private, Loop& loop, const Limits& limits, Zones& zones, std::size_t depth,
                   int event_fd);  // by open()
    /// Waits also for what other queues issued for this one: their threads must go on turning.
    ~SequencedQueue() override;

    /// One of this queue's nodes, ended elsewhere.
    void receive(Node& node) noexcept;
    /// A line this queue now holds. Only while one of its nodes waits there, under that line's
    /// lock.
    void receive(Line& line) noexcept;
    /// The first sweep is this queue's, and may be able to go on.
    void poke() noexcept;

  private:
    /// What is under way for one line: at most one command in the device at a time.
    struct alignas(8) Carrier {
        enum class Step : std::uint8_t {
            look,            ///< A report, for a pointer that is not known or not sure.
            write,           ///< One or more nodes' data.
            explain_write,   ///< A report: what became of a write that failed.
            judge_action,    ///< A report, to see whether the action is allowed.
            act,             ///< The action.
            explain_action,  ///< A report: why it failed.
            explain_append,  ///< A report: why a native append failed. The line is not held.
            explain_read,    ///< A report: why a read failed. The line is not held.
            look_for_room,   ///< A report: is the zone open, and not by anybody's order?
            close_for_room,  ///< It is closed.
        };

        Step step = Step::look;
        Line* line = nullptr;  // null: idle
        List<Node> nodes;
        std::uint64_t offset = 0;
        std::uint64_t length = 0;
        Status failure = {};
        Zone zone = {};
        iovec* pieces = nullptr;  // join_segments_ of them
        Carrier* next = nullptr;
    };
    /// The sweep under way, if it is this queue's.
    struct Sweep {
        enum class Step : std::uint8_t { drain, judge, act, explain };

        Node* node = nullptr;
        Step step = Step::drain;
        bool busy = false;               // the device has a command of it
        std::uint32_t zone = 0;          // drain: the next to look at; else: the first not done
        std::uint32_t end = 0;           // act: behind the last zone of the command
        std::optional<StatusCode> stop;  // why it goes no further than that
        Status failure = {};
        std::array<Zone, 64> zones = {};  // what was reported
    };

    std::size_t accept(std::span<const Request> requests) noexcept override;
    std::size_t collect(std::span<Completion> out) noexcept override;
    void issue() noexcept override;
    void on_ready() override;

    // What the device's queue is given as a tag: the address of a node or, marked, of a carrier; or
    // neither.
    static constexpr std::uint64_t carrier_mark = 1;
    static constexpr std::uint64_t sweep_tag = 2;
    [[nodiscard]] static std::uint64_t tag_of(const Node& node) noexcept {
        return reinterpret_cast<std::uintptr_t>(&node);
    }
    [[nodiscard]] static std::uint64_t tag_of(const Carrier& carrier) noexcept {
        return reinterpret_cast<std::uintptr_t>(&carrier) | carrier_mark;
    }

    // ---- queue.cc: in, out, and between queues.
    [[nodiscard]] bool needs_order(const Request& request) const noexcept;
    void enqueue(Node& node) noexcept;
    void pump() noexcept;
    void take_mail() noexcept;
    void take_completion(const Completion& completion) noexcept;
    void send(Request request, std::uint64_t tag) noexcept;
    void flush_outgoing() noexcept;
    void finish(Node& node, Status status, std::uint64_t result) noexcept;
    void give_back(Node& node) noexcept;
    void wake(const std::lock_guard<std::mutex>&) noexcept;

    // ---- closing.cc
    void withdraw() noexcept;
    [[nodiscard]] bool is_withdrawable(const Request& outgoing) const noexcept;
    [[nodiscard]] bool busy() const noexcept;
    void abandon() noexcept;

    // ---- line.cc: one zone's order.
    void run(Line& line) noexcept;
    void park(Line& line) noexcept;
    void release(Line& line) noexcept;
    void hand_on(Line& line) noexcept;
    void unpark(Line& line) noexcept;
    void pass_append(Line& line, Node& node) noexcept;
    void append_passed(Node& node, const Completion& completion) noexcept;
    void end_append(Node& node, Status status, std::uint64_t result) noexcept;
    [[nodiscard]] StatusCode judge(const Line& line, const Node& node) const noexcept;
    void report(Carrier& carrier, Carrier::Step step) noexcept;
    void learn(Line& line, const Zone& zone) noexcept;
    [[nodiscard]] std::optional<Status> find_fault(const Carrier& carrier,
                                                   const Completion& completion) const noexcept;
    void fail_waiting(Line& line, Status status) noexcept;
    void go_on(Carrier& carrier) noexcept;
    void carried(Carrier& carrier, const Completion& completion) noexcept;

    // ---- explain.cc: why what passed its zone's order by has failed.
    [[nodiscard]] bool explain(Node& node, Status failure) noexcept;
    void append_explained(Carrier& carrier, bool known) noexcept;
    void read_explained(Carrier& carrier, bool known) noexcept;
    void put_down(Carrier& carrier) noexcept;

    // ---- room.cc: closing one zone for another.
    [[nodiscard]] bool wait_for_room(Carrier& carrier) noexcept;
    [[nodiscard]] bool ask_for_room(std::uint32_t zone) noexcept;
    void begin_room(Line& line, Carrier& carrier) noexcept;
    void room_looked(Carrier& carrier, bool known) noexcept;
    void room_made(Carrier& carrier) noexcept;
    void end_room() noexcept;
    void call(Line& line) noexcept;

    // ---- write.cc
    void begin_write(Line& line, Carrier& carrier) noexcept;
    void write_ended(Carrier& carrier, Status status) noexcept;
    void settle_write(Carrier& carrier) noexcept;

    // ---- action.cc
    void begin_action(Carrier& carrier) noexcept;
    void act(Carrier& carrier) noexcept;
    void action_judged(Carrier& carrier) noexcept;
    void action_ended(Carrier& carrier, const Completion& completion) noexcept;
    void action_explained(Carrier& carrier) noexcept;
    void end_action(Carrier& carrier, Status status) noexcept;

    // ---- sweep.cc
    void run_sweep() noexcept;
    [[nodiscard]] bool drained() noexcept;
    void sweep_on() noexcept;
    void send_sweep(std::uint32_t end) noexcept;
    void report_sweep(std::size_t zones, Sweep::Step step) noexcept;
    void sweep_judged(const Completion& completion) noexcept;
    void sweep_acted(const Completion& completion) noexcept;
    void sweep_explained(const Completion& completion) noexcept;
    void sweep_returned(const Completion& completion) noexcept;
    void end_sweep(Status status) noexcept;
    void unpark_swept(std::uint32_t first, std::uint32_t last) noexcept;

    Zones& zones_;
    std::unique_ptr<Queue> inner_;
    const bool native_append_;
    const std::uint32_t join_segments_;
    bool closing_ = false;

    // All with their full size from the start.
    std::vector<Node> nodes_;
    List<Node> idle_nodes_;
    std::vector<Carrier> carriers_;
    List<Carrier> idle_carriers_;
    std::vector<iovec> pieces_;
    std::vector<Request> outgoing_;
    std::array<Completion, 64> returned_ = {};
    RingBuffer<Completion> done_;

    List<Line> runnable_;  // held, nothing in flight
    List<Line> stalled_;   // as those, but something they need is used up
    std::size_t in_device_ = 0;
    std::size_t busy_carriers_ = 0;
    std::size_t passed_appends_ = 0;  // native ones in the device
    List<Node> foreign_appends_;      // of those, other queues'
    std::size_t in_zones_ = 0;        // own nodes not given back
    std::size_t sweeps_ = 0;          // own, not ended
    Sweep sweep_;

    int event_fd_;
    std::atomic<bool> mail_ = false;
    std::mutex mail_lock_;
    List<Node> node_mail_;  // under mail_lock_
    List<Line> line_mail_;  // under mail_lock_
};

}  // namespace zonebridge::sequencer
