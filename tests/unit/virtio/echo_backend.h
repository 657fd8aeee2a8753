// A small device behind a real session: it copies each chain's readable bytes into its writable
// buffers. One worker thread runs all queues.
//
// Threads: the Backend calls belong to the session's thread; hold, release, calls and the like may
// come from the test's.
// Ownership: owns its worker.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "virtio/backend.h"

namespace zonebridge::virtio {

class EchoBackend final : public Backend {
  public:
    static constexpr std::uint16_t queues = 4;
    static constexpr std::uint16_t queue_size = 256;
    static constexpr std::uint64_t own_feature = 1ull << 5;      // any driver may accept it
    static constexpr std::uint64_t refused_feature = 1ull << 6;  // offered, and then refused

    EchoBackend();
    ~EchoBackend() override;

    /// While holding, the device takes chains and does not complete them.
    void hold(bool held);
    /// While hung, held chains are not completed, and a queue that holds chains does not stop in
    /// time.
    void hang(bool hung) { hung_ = hung; }
    /// Completes all held chains.
    void release();
    /// Posts a configuration change to the session.
    void change_config();
    /// The Backend calls so far: "start 0", "stop 0", "reset session_end", ...
    [[nodiscard]] std::vector<std::string> calls() const;
    [[nodiscard]] bool called(const std::string& call) const;
    /// The number of chains held now.
    [[nodiscard]] std::size_t held();
    /// The readable bytes of chains recovered from an inflight record.
    [[nodiscard]] std::vector<std::string> recovered();

    std::array<std::byte, 36> config{};

    [[nodiscard]] std::uint64_t features() const noexcept override;
    [[nodiscard]] std::uint16_t queue_count() const noexcept override { return queues; }
    [[nodiscard]] std::uint16_t max_queue_size() const noexcept override { return queue_size; }
    void read_config(std::uint32_t offset, std::span<std::byte> out) noexcept override;
    [[nodiscard]] bool write_config(std::uint32_t offset, std::span<const std::byte> in,
                                    bool migration) noexcept override;
    [[nodiscard]] tl::expected<void, std::string> set_features(std::uint64_t features) override;
    [[nodiscard]] tl::expected<void, std::string> set_memory(GuestMemory::Table memory,
                                                             Deadline deadline) override;
    void set_log(std::shared_ptr<const DirtyLog> log,
                 std::span<const std::optional<std::uint64_t>> used_rings) override;
    [[nodiscard]] bool is_eventfd(int fd) noexcept override;
    [[nodiscard]] tl::expected<void, std::string> start_queue(std::uint16_t index,
                                                              const QueueSetup& setup) override;
    [[nodiscard]] tl::expected<std::uint16_t, std::string> stop_queue(std::uint16_t index,
                                                                      Deadline deadline) override;
    void enable_queue(std::uint16_t index, bool enabled) override;
    void set_call(std::uint16_t index, Notifier call) override;
    void set_error(std::uint16_t index, SharedFd error) override;
    void reset(ResetCause cause) override;
    [[nodiscard]] std::optional<int> event_fd() const noexcept override { return event_.get(); }
    [[nodiscard]] std::optional<BackendEvent> take_event() override;

  private:
    static constexpr std::size_t most_pieces = 16;
    struct Held {
        Chain chain;
        std::array<iovec, most_pieces> storage;
    };
    struct Running {
        QueueSetup setup;
        VirtQueue queue;
        bool kicked;
        bool broken = false;
        std::vector<std::unique_ptr<Held>> held = {};
    };

    /// Runs `call` on the worker and waits for it.
    void on_worker(const std::function<void()>& call);
    void note(std::string call);
    void post_event(BackendEvent event);
    void work();
    void serve(Running& running);
    void answer_held(Running& running);
    static void answer(Running& running, const Chain& chain);

    UniqueFd wake_;
    UniqueFd event_;
    mutable std::mutex mutex_;
    std::deque<std::function<void()>> mail_;  // guarded by mutex_, like the next two
    std::deque<BackendEvent> events_;
    std::vector<std::string> calls_;

    std::atomic<bool> hung_ = false;

    // Only the worker uses these.
    GuestMemory::Table memory_ = GuestMemory::none();
    std::shared_ptr<const DirtyLog> log_;
    std::map<std::uint16_t, Running> running_;
    std::vector<std::string> recovered_;
    bool holding_ = false;
    bool stopping_ = false;

    std::thread worker_;
};

}  // namespace zonebridge::virtio
