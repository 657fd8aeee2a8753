// Compares the disk with what the driver was told.
#include <algorithm>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "tests/kills/bytes.h"
#include "tests/kills/workload.h"

namespace zonebridge::kills {
namespace {

/// A zone of appends with more than these is emptied, because each check reads all of them.
constexpr std::size_t appends_kept = 16;

/// How many bytes are the same, in whole units of writing.
std::uint32_t same_beginning(std::span<const std::byte> one, std::span<const std::byte> other) {
    constexpr std::size_t unit = 512;
    const auto differ = std::mismatch(one.begin(), one.end(), other.begin(), other.end()).first;
    return static_cast<std::uint32_t>((differ - one.begin()) / unit * unit);
}

}  // namespace

void Workload::check(bool everything) {
    for (std::size_t i = 0; i < targets_.size(); ++i) {
        auto& target = targets_[i];
        if (target.role == Role::flushes) continue;
        const auto found = front_.zones(target.zone.start, 1);
        if (found.empty() || found[0].start != target.zone.start)
            throw std::runtime_error(fmt::format("no zone begins at {}", target.zone.start));
        const auto good = target.role == Role::appends
                              ? check_appends(i, found[0])
                              : (target.role == Role::plain || check_pointer(target, found[0])) &&
                                    check_pieces(i, everything);
        const auto used_up = target.role == Role::appends &&
                             target.pieces.size() + target.unplaced.size() > appends_kept;
        if (target.role != Role::plain && (!good || used_up)) empty(i);
    }
}

bool Workload::check_pointer(Target& target, const Zone& found) {
    const auto seen = found.pointer - found.start;
    if (target.full == found.full && (target.full || seen == target.end)) return true;
    const auto text = [](bool full, std::uint64_t end) {
        return full ? std::string("full") : fmt::format("written to {}", end);
    };
    const auto ahead = found.full || (!target.full && seen > target.end);
    note(ahead ? counts_.doubled : counts_.lost, target,
         fmt::format("it is {}, and should be {}", text(found.full, seen),
                     text(target.full, target.end)));
    return false;
}

bool Workload::check_pieces(std::size_t number, bool everything) {
    auto& target = targets_[number];
    bool good = true;
    for (auto& piece : target.pieces) {
        if (piece.seed == 0 || (piece.checked && !everything)) continue;
        piece.checked = true;
        const auto answer = run({number, Kind::read, piece});
        if (answer.how != Answer::How::done) {
            note(counts_.errors, target, fmt::format("a read at {}: {}", piece.at, answer.text));
        } else if (answer.data != bytes_of(piece.seed, piece.length)) {
            note(counts_.lost, target, fmt::format("the {} bytes at {}", piece.length, piece.at));
        } else {
            continue;
        }
        good = false;
    }
    return good;
}

/// An append that was answered is where its answer said; one that was answered with an error is
/// there at most once, whole or its beginning; nothing else is there.
bool Workload::check_appends(std::size_t number, const Zone& found) {
    auto& target = targets_[number];
    const auto end = found.full ? target.zone.capacity : found.pointer - found.start;
    const auto before = counts_.lost + counts_.doubled + counts_.errors;
    std::map<std::uint64_t, std::uint64_t> placed;  // seeds, by place
    for (const auto& piece : target.pieces) {
        if (!placed.emplace(piece.at, piece.seed).second)
            note(counts_.lost, target, fmt::format("two appends were told the place {}", piece.at));
        if (piece.at + slot > end)
            note(counts_.lost, target, fmt::format("the append at {}, behind the end", piece.at));
    }
    std::set<std::uint64_t> seen;
    for (std::uint64_t at = 0; at < end;) {
        const auto next = placed.lower_bound(at);
        const auto told = next != placed.end() && next->first == at;
        const auto limit = next == placed.end() || told ? end : next->first;
        const auto length = static_cast<std::uint32_t>(std::min<std::uint64_t>(slot, limit - at));
        const auto answer = run({number, Kind::read, {.at = at, .length = length}});
        if (answer.how != Answer::How::done) {
            note(counts_.errors, target, fmt::format("a read at {}: {}", at, answer.text));
            break;
        }
        const auto seed = seed_of(answer.data);
        const auto own = same_beginning(answer.data, bytes_of(seed, length));
        const auto known = std::any_of(target.unplaced.begin(), target.unplaced.end(),
                                       [&](const Piece& one) { return one.seed == seed; });
        if (told && (own != slot || seed != next->second))
            note(counts_.lost, target, fmt::format("the append at {}", at));
        else if (!told && (own == 0 || !known))
            note(counts_.doubled, target, fmt::format("what nobody was told of is at {}", at));
        else if (!seen.insert(seed).second)
            note(counts_.doubled, target, fmt::format("an append is at {} once more", at));
        at += told || own == 0 ? length : own;
    }
    return before == counts_.lost + counts_.doubled + counts_.errors;
}

}  // namespace zonebridge::kills
