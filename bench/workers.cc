// Measures how much faster a virtio-blk disk is with several workers, and with workers that poll before
// they sleep. The driver is in this process, without a session or a guest. Runs both settings in turn
// (A B A B), and prints the ratios of the medians, which alone can be compared between machines.
//
// Usage: workers [FOLDER]    a folder, not on tmpfs, for a disk of 64 MiB (default: the working directory)
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sched.h>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include "service/blk_backend.h"
#include "service/worker.h"
#include "tests/driver/blk.h"
#include "transports/emulated/emulated.h"
#include "transports/open.h"
#include "virtio/ring.h"

namespace {

using namespace zonebridge;
using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr int rounds = 9;
constexpr std::uint64_t disk_size = 64u << 20;
constexpr std::uint64_t zone_size = 4u << 20;
constexpr std::uint32_t conventional = 15;  // the zones to read

template <typename T>
T must(T result) {
    if (!result) {
        std::fprintf(stderr, "workers: a step failed\n");
        std::exit(EXIT_FAILURE);
    }
    return result;
}

struct Work {
    const char* name;
    bool emulated;
    std::uint16_t queues;
    std::uint16_t depth;  // submitted and waited for together, on each queue
    std::uint32_t bytes;
    bool polls;  // the driver polls; otherwise it sleeps until the last answer
    bool apart;  // the driver and the worker have different CPUs
    int batches;
};

struct Setting {
    unsigned workers;
    microseconds spin;
};

struct Cost {
    double wall;  // ns per request
    double cpu;   // ns of the workers' CPU time per request
};

SharedFd shared_copy(int fd) {
    return std::make_shared<const UniqueFd>(::dup(fd));
}

/// Builds requests once and sends them repeatedly.
class Driver {
  public:
    Driver(virtio::Backend& backend, const Work& work) : backend_(backend), work_(work) {
        must(memory_.add(0, std::uint64_t{64} << 20));
        const auto& region = memory_.regions()[0];
        const virtio::MemoryRegionSource source{
            {region.guest_address, region.size, memory_.user_address(region.host), 0}, region.fd};
        auto table =
            must(virtio::GuestMemory::build(std::span(&source, 1), *virtio::GuestMemory::none()));
        must(backend_.set_memory(*table, virtio::Deadline::max()));
        constexpr auto features = virtio::feature::version_1 | virtio::feature::event_index |
                                  virtio::feature::indirect_descriptors | driver::blk::f_flush |
                                  driver::blk::f_zoned;
        must(backend_.set_features(features));
        for (std::uint16_t i = 0; i < work.queues; ++i) {
            auto& queue = *queues_.emplace_back(std::make_unique<driver::Queue>(
                i, memory_,
                driver::RingOptions{.size = 256, .event_index = true, .indirect_entries = 4}));
            virtio::QueueSetup setup;
            setup.ring.size = 256;
            setup.ring.addresses = {queue.ring.descriptors_address(),
                                    queue.ring.available_address(), queue.ring.used_address()};
            setup.ring.features = features;
            setup.ring.index = i;
            setup.kick = shared_copy(queue.kick_fd);
            setup.call = virtio::Notifier(shared_copy(queue.call_fd));
            setup.enabled = true;
            must(backend_.start_queue(i, setup));
            for (std::uint16_t n = 0; n < work.depth; ++n) {
                const auto head = memory_.allocate(16, 64);
                const auto sector = ((n * 7919u + i * 104729u) * std::uint64_t{work.bytes}) %
                                    (conventional * zone_size - work.bytes) / 4096 * 8;
                const auto bytes = driver::blk::header(driver::blk::in, sector);
                std::copy(bytes.begin(), bytes.end(), head.host);
                chains_.push_back({driver::to_device(head),
                                   driver::from_device(memory_.allocate(work.bytes, 4096)),
                                   driver::from_device(memory_.allocate(1))});
            }
        }
    }
    ~Driver() {
        for (const auto& queue : queues_)
            (void)backend_.stop_queue(queue->index, virtio::Deadline::max());
    }

    void batch() {
        for (std::size_t i = 0; i < queues_.size(); ++i) {
            for (std::uint16_t n = 0; n < work_.depth; ++n)
                (void)queues_[i]->ring.add(chains_[i * work_.depth + n]);
            if (work_.polls)
                queues_[i]->ring.disarm();
            else  // only the last answer interrupts
                queues_[i]->ring.set_used_event(
                    static_cast<std::uint16_t>(queues_[i]->ring.used_index() + work_.depth - 1));
            queues_[i]->submit();
        }
        for (const auto& queue : queues_) {
            for (auto left = work_.depth; left != 0;) {
                if (queue->ring.take_used())
                    --left;
                else if (!work_.polls && !queue->wait_call())
                    std::exit(EXIT_FAILURE);
            }
            if (!work_.polls) (void)queue->called();
        }
    }

  private:
    virtio::Backend& backend_;
    const Work& work_;
    driver::SharedMemory memory_;
    std::vector<std::unique_ptr<driver::Queue>> queues_;
    std::vector<std::array<driver::Buffer, 3>> chains_;
};

/// With `apart` the driver runs on one CPU and all workers on another; otherwise all run on any CPU.
void place(const service::Workers& workers, bool apart) {
    cpu_set_t all;
    CPU_ZERO(&all);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) CPU_SET(cpu, &all);
    const auto on = [&](int cpu) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        (void)::sched_setaffinity(0, sizeof one, apart ? &one : &all);
    };
    on(0);
    for (const auto& worker : workers) worker->call([&](Ring&) { on(1); });
}

double cpu_of(const service::Workers& workers) {
    double spent = 0;
    for (const auto& worker : workers)
        worker->call([&](Ring&) {
            rusage used{};
            ::getrusage(RUSAGE_THREAD, &used);
            for (const auto& time : {used.ru_utime, used.ru_stime})
                spent += static_cast<double>(time.tv_sec) * 1e9 +
                         static_cast<double>(time.tv_usec) * 1e3;
        });
    return spent;
}

Cost measure(Transport& disk, const Work& work, const Setting& setting) {
    const auto workers =
        must(service::start_workers(setting.workers, service::Spin(setting.spin),
                                    [](const Error&) { std::exit(EXIT_FAILURE); }));
    const auto backend = must(service::BlkBackend::open(*workers, disk, work.queues));
    place(*workers, work.apart);
    Driver driver(**backend, work);
    for (int i = 0; i < work.batches / 10 + 1; ++i) driver.batch();
    const auto before = cpu_of(*workers);
    const auto start = Clock::now();
    for (int i = 0; i < work.batches; ++i) driver.batch();
    const auto wall = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    const auto requests = static_cast<double>(work.batches) * work.depth * work.queues;
    return {wall / requests, (cpu_of(*workers) - before) / requests};
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

void compare(Transport& disk, const Work& work, const Setting& a, const Setting& b) {
    std::array<std::array<std::vector<double>, 2>, 2> found;  // for a and b: wall and CPU times
    for (int round = 0; round < rounds; ++round) {
        for (std::size_t which : {0u, 1u}) {
            const auto cost = measure(disk, work, which == 0 ? a : b);
            found[which][0].push_back(cost.wall);
            found[which][1].push_back(cost.cpu);
        }
    }
    std::vector<double> ratios;
    for (std::size_t i = 0; i < rounds; ++i) ratios.push_back(found[0][0][i] / found[1][0][i]);
    const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end());
    std::printf("  %-52s %5.2f times as fast (%.2f to %.2f), %.2f times the CPU\n", work.name,
                median(found[0][0]) / median(found[1][0]), *least, *most,
                median(found[1][1]) / median(found[0][1]));
    std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
    const std::string path = std::string(count > 1 ? arguments[1] : ".") + "/workers-bench.img";
    ::unlink(path.c_str());
    emulated::Shape shape;
    shape.size = disk_size;
    shape.zone_size = zone_size;
    shape.conventional = conventional;
    must(emulated::create(path, shape));
    const auto emulated = must(emulated::open(path, {.writable = true}));
    const auto nothing = must(open_device("null:64M", {}));

    const std::array works{
        Work{"nothing, one at a time, driver polls", false, 1, 1, 4096, true, true, 20000},
        Work{"nothing, 32 together, driver polls", false, 1, 32, 4096, true, true, 5000},
        Work{"nothing, one at a time, driver sleeps", false, 1, 1, 4096, false, true, 5000},
        Work{"nothing, 32 together, driver sleeps", false, 1, 32, 4096, false, true, 2000},
        Work{"emulated, 4 KiB reads, 32 together, driver polls", true, 1, 32, 4096, true, true,
             2000},
        Work{"emulated, 4 KiB reads, 32 together, driver sleeps", true, 1, 32, 4096, false, true,
             1000},
    };
    std::printf(
        "One worker that polls for 50 us before it sleeps, against one that sleeps at once:\n");
    for (const auto& work : works)
        compare(work.emulated ? **emulated : **nothing, work, {1, microseconds{0}},
                {1, service::Spin::usual});

    const std::array spread{
        Work{"nothing, 2 queues, 64 together", false, 2, 64, 4096, false, false, 1000},
        Work{"emulated, 2 queues, 64 reads of 4 KiB together", true, 2, 64, 4096, false, false,
             500},
        Work{"emulated, 2 queues, 64 reads of 64 KiB together", true, 2, 64, 65536, false, false,
             100},
    };
    std::printf("Two workers against one, none of them polling:\n");
    for (const auto& work : spread)
        compare(work.emulated ? **emulated : **nothing, work, {1, microseconds{0}},
                {2, microseconds{0}});
    ::unlink(path.c_str());
    return 0;
}
