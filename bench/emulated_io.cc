// Compares ways of moving data to and from a file through the page cache. Runs them in turn (A B C A B
// C), and prints the median of each.
//
// Usage: emulated_io FILE [MEBIBYTES]. Creates, uses and removes the file.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include <vector>

#include <liburing.h>
#include <xxhash.h>

namespace {

constexpr std::size_t block = 4096;
constexpr int rounds = 7;

using Clock = std::chrono::steady_clock;

double micros_each(std::size_t count, const std::function<void()>& work) {
    const auto start = Clock::now();
    work();
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count() /
           static_cast<double>(count);
}

void check(bool good, const char* what) {
    if (good) return;
    std::perror(what);
    std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: %s FILE [MEBIBYTES]\n", argv[0]);
        return 2;
    }
    const auto size = (argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 256) << 20;
    const auto blocks = size / block;
    const auto fd = ::open(argv[1], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    check(fd >= 0, argv[1]);
    ::unlink(argv[1]);
    std::vector<std::uint8_t> memory(32 * block, 1);
    for (std::uint64_t at = 0; at < size; at += memory.size())
        check(::pwrite(fd, memory.data(), memory.size(), static_cast<off_t>(at)) > 0, "pwrite");
    check(::fdatasync(fd) == 0, "fdatasync");
    auto* map = static_cast<std::uint8_t*>(
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    check(map != MAP_FAILED, "mmap");
    io_uring ring;
    check(io_uring_queue_init(64, &ring, 0) == 0, "io_uring");

    std::mt19937_64 random(1);
    std::vector<off_t> places(20000);
    for (auto& place : places) place = static_cast<off_t>(random() % blocks * block);

    const auto ring_batches = [&](bool write) {
        for (std::size_t i = 0; i < places.size(); i += 32) {
            for (std::size_t k = 0; k < 32; ++k) {
                auto* entry = io_uring_get_sqe(&ring);
                if (write)
                    io_uring_prep_write(entry, fd, memory.data() + k * block, block,
                                        static_cast<std::uint64_t>(places[i + k]));
                else
                    io_uring_prep_read(entry, fd, memory.data() + k * block, block,
                                       static_cast<std::uint64_t>(places[i + k]));
            }
            check(io_uring_submit_and_wait(&ring, 32) == 32, "io_uring");
            io_uring_cqe* entry = nullptr;
            for (int k = 0; k < 32; ++k) {
                check(io_uring_wait_cqe(&ring, &entry) == 0 && entry->res == block, "cqe");
                io_uring_cqe_seen(&ring, entry);
            }
        }
    };
    const auto vectored = [&](std::size_t joined, bool hash) {
        std::vector<iovec> pieces(joined);
        std::uint64_t sum = 0;
        std::vector<std::uint8_t> back(joined * block);
        for (std::size_t k = 0; k < joined; ++k) pieces[k] = {memory.data() + k * block, block};
        for (std::size_t i = 0; i < places.size() / joined; ++i) {
            const auto at = static_cast<off_t>(i * joined * block);
            check(::pwritev(fd, pieces.data(), static_cast<int>(joined), at) > 0, "pwritev");
            if (!hash) continue;
            check(::pread(fd, back.data(), back.size(), at) > 0, "pread");
            for (std::size_t k = 0; k < joined; ++k)
                sum += XXH3_64bits_withSeed(back.data() + k * block, block, k);
        }
        if (sum == 42) std::puts("");
    };

    const std::vector<std::pair<std::string, std::function<void()>>> candidates = {
        {"read  pread",
         [&] {
             for (const auto at : places) check(::pread(fd, memory.data(), block, at) > 0, "pread");
         }},
        {"read  preadv2 RWF_NOWAIT",
         [&] {
             const iovec piece{memory.data(), block};
             for (const auto at : places)
                 check(::preadv2(fd, &piece, 1, at, RWF_NOWAIT) > 0, "preadv2");
         }},
        {"read  io_uring, 32 at once", [&] { ring_batches(false); }},
        {"read  memcpy from a mapping",
         [&] {
             for (const auto at : places) std::memcpy(memory.data(), map + at, block);
         }},
        {"write pwrite",
         [&] {
             for (const auto at : places)
                 check(::pwrite(fd, memory.data(), block, at) > 0, "pwrite");
         }},
        {"write io_uring, 32 at once", [&] { ring_batches(true); }},
        {"write memcpy to a mapping",
         [&] {
             for (const auto at : places) std::memcpy(map + at, memory.data(), block);
         }},
        {"write pwritev, 8 joined", [&] { vectored(8, false); }},
        {"write pwritev, 32 joined", [&] { vectored(32, false); }},
        {"write pwritev, 1, read back and hashed", [&] { vectored(1, true); }},
        {"write pwritev, 8 joined, read back and hashed", [&] { vectored(8, true); }},
        {"write pwritev, 32 joined, read back and hashed", [&] { vectored(32, true); }},
    };
    std::map<std::string, std::vector<double>> results;
    for (int round = 0; round < rounds; ++round)
        for (const auto& [name, work] : candidates)
            results[name].push_back(micros_each(places.size(), work));
    for (const auto& [name, work] : candidates) {
        auto& times = results[name];
        std::sort(times.begin(), times.end());
        std::printf("%-48s %7.3f us a block (%.3f to %.3f)\n", name.c_str(), times[rounds / 2],
                    times.front(), times.back());
    }
    return 0;
}
