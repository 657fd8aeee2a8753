// A process that works on a disk is killed many times. Everything that the disk answered is there,
// flushed or not, and no data that the process never wrote.
#include <csignal>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/unit/transports/emulated/history.h"
#include "tests/unit/transports/emulated/support.h"

namespace zonebridge::emulated {
namespace {

constexpr std::uint64_t zone_size = 64 << 10;
constexpr std::uint32_t zones = 16;

/// The child sends a note before and after each action. A note is small enough for an atomic write.
struct Note {
    enum class Kind : std::uint32_t { write, reset, finish, flush, done, failed };
    Kind kind;
    std::uint32_t zone;
    std::uint64_t offset;
    std::uint64_t length;
};

[[noreturn]] void work(const std::string& path, History history, std::uint64_t seed, int pipe) {
    const auto send = [&](Note note) {
        if (::write(pipe, &note, sizeof note) != sizeof note) ::_exit(2);
    };
    std::mt19937_64 random(seed);
    Rig rig(path);
    const auto& layout = rig.transport().limits().layout;
    for (;;) {
        const auto zone = static_cast<std::uint32_t>(random() % zones);
        const auto start = zone * zone_size;
        const auto choice = random() % 10;
        Status status;
        if (choice == 0 || choice == 1) {
            send({Note::Kind::flush, 0, 0, 0});
            status = rig->flush();
        } else if (choice == 2 && !layout.is_conventional(zone)) {
            const auto finish = random() % 4 == 0;
            send({finish ? Note::Kind::finish : Note::Kind::reset, zone, 0, 0});
            status = rig->act(finish ? Operation::finish : Operation::reset, start,
                              layout.length_of(zone))
                         .status;
            if (status.ok() && !finish) history.reset(zone);
        } else {
            const auto conventional = layout.is_conventional(zone);
            const auto at = conventional ? random() % 16 * 4096 : history.written(zone);
            const auto length =
                std::min<std::uint64_t>(4096 * (1 + random() % 3), layout.capacity_of(zone) - at);
            if (length == 0) continue;
            const auto data = history.next_data(length);
            send({Note::Kind::write, zone, start + at, length});
            status = rig->write(start + at, data);
            if (status.ok()) history.write(start + at, data);
        }
        send({status.ok() ? Note::Kind::done : Note::Kind::failed, zone, 0, 0});
    }
}

/// Repeats the actions of the child's notes in `history`.
class Replay {
  public:
    explicit Replay(History& history) : history_(history) {}
    void take(const Note& note) {
        switch (note.kind) {
            case Note::Kind::write:
                before_ = history_.written(note.zone);
                history_.write(note.offset, history_.next_data(note.length));
                break;
            // An interrupted reset or finish may or may not have happened. The history allows both.
            case Note::Kind::reset:
                history_.reset(note.zone);
                break;
            case Note::Kind::finish:
                history_.finish(note.zone);
                break;
            case Note::Kind::flush:
                break;
            // The host runs on, so what was answered is as good as flushed.
            case Note::Kind::done:
                history_.flushed(history_.mark());
                break;
            case Note::Kind::failed:
                if (last_.kind == Note::Kind::write) history_.cut_back(last_.zone, before_);
                break;
        }
        last_ = note;
    }

  private:
    History& history_;
    Note last_{Note::Kind::failed, 0, 0, 0};
    std::uint64_t before_ = 0;
};

void check(const std::string& path, History& history) {
    Rig rig(path);
    for (std::uint32_t zone = 0; zone < zones; ++zone) {
        const auto found = rig->report(1, zone * zone_size).at(0);
        const auto content = rig->read(zone * zone_size, found.length);
        ASSERT_EQ(history.check(zone, found, content), "");
    }
    ASSERT_TRUE(rig.close());
}

TEST(KilledProcess, LosesNothingThatWasAnswered) {
    const ScratchFolder folder;
    const auto path = folder.file("disk");
    ASSERT_TRUE(create(path, small_shape()));
    std::optional<History> history;
    {
        const Rig rig(path);
        history.emplace(const_cast<Rig&>(rig).transport().limits());
    }
    std::mt19937_64 random(1);
    for (int round = 0; round < 250; ++round) {
        SCOPED_TRACE(round);
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const auto seed = random();
        const auto child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(ends[0]);
            work(path, *history, seed, ends[1]);
        }
        ::close(ends[1]);
        Replay replay(*history);
        Note note;
        // The child is killed after a random number of notes, or during the action that follows.
        for (auto left = random() % 120; left != 0; --left) {
            if (::read(ends[0], &note, sizeof note) != sizeof note) break;
            replay.take(note);
        }
        ::usleep(static_cast<useconds_t>(random() % 1500));
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;
        while (::read(ends[0], &note, sizeof note) == sizeof note) replay.take(note);
        ::close(ends[0]);
        check(path, *history);
        if (::testing::Test::HasFailure()) return;
    }
}

}  // namespace
}  // namespace zonebridge::emulated
