// Commands in flight: one operation of the device on one zone, and the requests it serves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "layers/sequencer/write.h"
#include "layers/sequencer/zones.h"

namespace zonebridge::sequencer {

/// A command, and the report that follows if it fails. A line has at most one at a time, not
/// counting those that explain why a request outside the zone's order failed.
struct alignas(8) Command {
    enum class Step : std::uint8_t {
        look,            ///< A report, because the pointer is unknown or unconfirmed.
        write,           ///< The data of one or more requests.
        explain_write,   ///< A report: how far a failed write got.
        judge_action,    ///< A report, to see whether the action is allowed.
        act,             ///< The action.
        explain_action,  ///< A report: why the action failed.
        explain_append,  ///< A report: why a native append failed. The line is not held.
        explain_read,    ///< A report: why a read failed. The line is not held.
        look_for_room,   ///< A report: is the zone still implicitly open?
        close_for_room,  ///< The zone is closed.
    };

    Step step = Step::look;
    Line* line = nullptr;  // null: idle
    Write write;           // for a write and its report
    Node* node = nullptr;  // the action, read or append that every other step is for
    Status failure = {};
    Zone zone = {};  // the reported zone
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
    /// Requires !are_used_up().
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
    std::vector<Command> commands_;  // full size from the start, like pieces_
    std::vector<iovec> pieces_;
    List<Command> idle_;
    std::size_t in_use_ = 0;
};

// Tags in the device's queue: the address of a node; of a command, marked; or sweep_tag.
inline constexpr std::uint64_t command_mark = 1;
inline constexpr std::uint64_t sweep_tag = 2;

[[nodiscard]] inline std::uint64_t tag_of(const Node& node) noexcept {
    return reinterpret_cast<std::uintptr_t>(&node);
}
[[nodiscard]] inline std::uint64_t tag_of(const Command& command) noexcept {
    return reinterpret_cast<std::uintptr_t>(&command) | command_mark;
}
/// Null for any other tag.
[[nodiscard]] inline Command* command_of(std::uint64_t tag) noexcept {
    if ((tag & command_mark) == 0) return nullptr;
    return reinterpret_cast<Command*>(static_cast<std::uintptr_t>(tag & ~command_mark));
}
[[nodiscard]] inline bool is_node(std::uint64_t tag) noexcept {
    return tag != sweep_tag && (tag & command_mark) == 0;
}
/// Requires is_node(tag).
[[nodiscard]] inline Node& node_of(std::uint64_t tag) noexcept {
    return *reinterpret_cast<Node*>(static_cast<std::uintptr_t>(tag));
}

}  // namespace zonebridge::sequencer
