// Commands in flight: what the device does for one zone, with the requests that it is done for.
//
// Threads: the queue's.
// Ownership: Commands owns the commands and the places of their pieces; a command borrows its
// line and nodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "transports/sequencer/write.h"
#include "transports/sequencer/zones.h"

namespace zonebridge::sequencer {

/// A command, and the report that follows if it fails. A line has at most one at a time, but for
/// those that explain why a request failed that passed the zone's order by.
struct alignas(8) Command {
    enum class Step : std::uint8_t {
        look,            ///< A report, for a pointer that is not known or not sure.
        write,           ///< One or more requests' data.
        explain_write,   ///< A report: what became of a write that failed.
        judge_action,    ///< A report, to see whether the action is allowed.
        act,             ///< The action.
        explain_action,  ///< A report: why it failed.
        explain_append,  ///< A report: why a native append failed. The line is not held.
        explain_read,    ///< A report: why a read failed. The line is not held.
        look_for_room,   ///< A report: was the zone opened by a write, not by an action?
        close_for_room,  ///< It is closed.
    };

    Step step = Step::look;
    Line* line = nullptr;  // null: idle
    Write write;           // of a write and its report
    Node* node = nullptr;  // the action, the read or the append that all others are for
    Status failure = {};
    Zone zone = {};  // what was reported
    Command* next = nullptr;
};

/// The commands of one queue.
class Commands {
  public:
    Commands(std::size_t count, std::uint32_t pieces_each)
        : commands_(count), pieces_(count * pieces_each) {
        auto* pieces = pieces_.data();
        for (auto& command : commands_) {
            command.write.set_place(pieces);
            pieces += pieces_each;
            idle_.push(command);
        }
    }

    [[nodiscard]] bool are_used_up() const noexcept { return idle_.empty(); }
    /// Only if they are not used up.
    [[nodiscard]] Command& take(Line& line) noexcept {
        auto& command = *idle_.pop();
        ++in_use_;
        command.line = &line;
        return command;
    }
    void give_back(Command& command) noexcept {
        command.line = nullptr;
        idle_.push(command);
        --in_use_;
    }
    [[nodiscard]] std::size_t in_use() const noexcept { return in_use_; }
    [[nodiscard]] std::span<Command> all() noexcept { return commands_; }

  private:
    std::vector<Command> commands_;  // with its full size from the start, as pieces_
    std::vector<iovec> pieces_;
    List<Command> idle_;
    std::size_t in_use_ = 0;
};

// What the device's queue is given as a tag: the address of a node or, marked, of a command; or
// neither.
inline constexpr std::uint64_t command_mark = 1;
inline constexpr std::uint64_t sweep_tag = 2;

[[nodiscard]] inline std::uint64_t tag_of(const Node& node) noexcept {
    return reinterpret_cast<std::uintptr_t>(&node);
}
[[nodiscard]] inline std::uint64_t tag_of(const Command& command) noexcept {
    return reinterpret_cast<std::uintptr_t>(&command) | command_mark;
}
/// Null for the tag of anything else.
[[nodiscard]] inline Command* command_of(std::uint64_t tag) noexcept {
    if ((tag & command_mark) == 0) return nullptr;
    return reinterpret_cast<Command*>(static_cast<std::uintptr_t>(tag & ~command_mark));
}
[[nodiscard]] inline bool is_node(std::uint64_t tag) noexcept {
    return tag != sweep_tag && (tag & command_mark) == 0;
}
/// Only for the tag of a node.
[[nodiscard]] inline Node& node_of(std::uint64_t tag) noexcept {
    return *reinterpret_cast<Node*>(static_cast<std::uintptr_t>(tag));
}

}  // namespace zonebridge::sequencer
