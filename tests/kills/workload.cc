#include "tests/kills/workload.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "tests/kills/bytes.h"

namespace zonebridge::kills {
namespace {

constexpr std::size_t step_zones = 6;
constexpr std::size_t append_zones = 2;
constexpr std::uint32_t unit = 4096;
constexpr std::size_t plain_slots = 16;
constexpr unsigned appends_together = 4;

}  // namespace

Workload::Workload(Front& front, std::uint64_t seed) : front_(front), random_(seed) {
    add_targets();
}

void Workload::add_targets() {
    constexpr std::size_t looked_at = 32;
    targets_.emplace_back();
    std::size_t plain = 0;
    std::size_t sequential = 0;
    for (const auto& zone : front_.zones(0, looked_at)) {
        Target target{.role = Role::plain, .zone = zone};
        if (zone.conventional) {
            if (plain++ != 0) continue;
            for (std::size_t i = 0; i < plain_slots; ++i)
                target.pieces.push_back({.at = i * slot, .length = slot});
        } else if (sequential < step_zones) {
            target.role = Role::steps;
            ++sequential;
        } else if (front_.has_appends() && sequential < step_zones + append_zones) {
            target.role = Role::appends;
            ++sequential;
        } else {
            break;
        }
        targets_.push_back(target);
    }
    if (sequential < step_zones) throw std::runtime_error("the disk has too few zones");
    for (std::size_t i = 0; i < targets_.size(); ++i)
        if (targets_[i].role == Role::steps || targets_[i].role == Role::appends) empty(i);
}

void Workload::run_for(std::chrono::microseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
        fill();
        bool taken = false;
        while (const auto answer = front_.take(false)) {
            take(*answer);
            taken = true;
        }
        if (!taken) std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
}

void Workload::fill() {
    for (std::size_t i = 0; i < targets_.size(); ++i) {
        auto& target = targets_[i];
        switch (target.role) {
            case Role::steps:
                if (target.in_flight == 0) next_step(i);
                break;
            case Role::appends:
                while (target.in_flight < appends_together &&
                       (target.pieces.size() + target.unplaced.size() + target.in_flight + 1) *
                               slot <=
                           target.zone.capacity)
                    add({i, Kind::append, {.length = slot, .seed = ++seed_}});
                break;
            case Role::plain:
                if (target.in_flight == 0)
                    add({i,
                         Kind::write,
                         {.at = random_() % plain_slots * slot, .length = slot, .seed = ++seed_}});
                break;
            case Role::flushes:
                if (target.in_flight == 0 && random_() % 16 == 0) add({i, Kind::flush, {}});
                break;
        }
    }
    front_.submit();
}

void Workload::next_step(std::size_t number) {
    const auto& target = targets_[number];
    const auto choice = random_() % 32;
    if (target.full || choice == 0)
        add({number, Kind::reset, {}});
    else if (choice < 3)
        add({number, Kind::finish, {}});
    else if (choice < 8 && !target.pieces.empty())
        add({number, Kind::read, target.pieces[random_() % target.pieces.size()]});
    else
        next_write(number);
}

void Workload::next_write(std::size_t number) {
    const auto& target = targets_[number];
    const auto left = target.zone.capacity - target.end;
    const auto length =
        std::min<std::uint64_t>(left, unit + random_() % (longest_request / unit) * unit);
    add({number,
         Kind::write,
         {.at = target.end, .length = static_cast<std::uint32_t>(length), .seed = ++seed_}});
}

void Workload::add(const Sent& sent) {
    auto& target = targets_[sent.target];
    const auto writes = sent.kind == Kind::write || sent.kind == Kind::append;
    const auto data =
        writes ? bytes_of(sent.piece.seed, sent.piece.length) : std::vector<std::byte>();
    const auto id = front_.add({.kind = sent.kind,
                                .offset = target.zone.start + sent.piece.at,
                                .length = sent.piece.length,
                                .data = data});
    in_flight_.emplace(id, sent);
    ++target.in_flight;
}

void Workload::interrupt() {
    while (const auto answer = front_.take(false)) take(*answer);
    for (auto& [id, sent] : in_flight_) {
        if (!sent.interrupted) ++counts_.interrupted;
        sent.interrupted = true;
    }
}

void Workload::settle() {
    while (!in_flight_.empty()) take(*front_.take(true));
}

void Workload::take(const Answer& answer) {
    const auto found = in_flight_.find(answer.id);
    if (found == in_flight_.end())
        throw std::runtime_error(fmt::format("a second answer to request {}", answer.id));
    const auto sent = found->second;
    in_flight_.erase(found);
    auto& target = targets_[sent.target];
    --target.in_flight;
    switch (answer.how) {
        case Answer::How::done:
            ++counts_.answered;
            done(sent, answer);
            break;
        case Answer::How::again:
            add(sent);
            front_.submit();
            break;
        case Answer::How::unplaced:
            ++counts_.answered;
            target.unplaced.push_back(sent.piece);
            if (sent.interrupted)
                ++counts_.unplaced;
            else
                note(counts_.errors, target, "an append that no kill interrupted: " + answer.text);
            break;
        case Answer::How::failed:
            ++counts_.answered;
            note(counts_.errors, target,
                 fmt::format("request of kind {} at {}, {}interrupted: {}",
                             static_cast<int>(sent.kind), sent.piece.at,
                             sent.interrupted ? "" : "not ", answer.text));
            break;
    }
}

void Workload::done(const Sent& sent, const Answer& answer) {
    auto& target = targets_[sent.target];
    switch (sent.kind) {
        case Kind::write:
            if (target.role == Role::plain) {
                target.pieces[sent.piece.at / slot] = sent.piece;
            } else {
                target.pieces.push_back(sent.piece);
                target.end += sent.piece.length;
                target.full = target.end == target.zone.capacity;
            }
            break;
        case Kind::append:
            target.pieces.push_back(sent.piece);
            target.pieces.back().at = answer.place - target.zone.start;
            break;
        case Kind::read:
            if (answer.data != bytes_of(sent.piece.seed, sent.piece.length))
                note(counts_.lost, target, fmt::format("a read at {}", sent.piece.at));
            break;
        case Kind::reset:
            target.pieces.clear();
            target.unplaced.clear();
            target.end = 0;
            target.full = false;
            break;
        case Kind::finish:
            target.full = true;
            break;
        case Kind::flush:
            break;
    }
}

Answer Workload::run(const Sent& sent) {
    for (;;) {
        add(sent);
        front_.submit();
        auto answer = *front_.take(true);
        const auto again = answer.how == Answer::How::again;
        in_flight_.erase(answer.id);
        --targets_[sent.target].in_flight;
        if (!again) return answer;
    }
}

void Workload::empty(std::size_t number) {
    const auto answer = run({number, Kind::reset, {}});
    if (answer.how != Answer::How::done)
        throw std::runtime_error(fmt::format("the zone at {} can't be reset: {}",
                                             targets_[number].zone.start, answer.text));
    done({number, Kind::reset, {}}, answer);
}

void Workload::note(std::uint64_t& count, const Target& target, const std::string& what) {
    ++count;
    fmt::print("  {}: zone at {}: {}\n",
               &count == &counts_.lost      ? "lost"
               : &count == &counts_.doubled ? "doubled"
                                            : "error",
               target.zone.start, what);
    std::fflush(stdout);
}

}  // namespace zonebridge::kills
